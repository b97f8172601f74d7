// uWSGI's ini with a fastcgi-socket: what it says of the pool. Its program is uWSGI itself, which cannot be ours: a script
// with a FastCGI server (flup) takes its place, and --program names it.
import { readPythonIni, type Setting } from '../syntax/python-ini.ts';
import { type Converted, Draft } from '../wanted-pool.ts';
import { parseAddress, wordsOf } from './arguments.ts';
import type { Kind, Source, Surroundings } from './kind.ts';
import { findRow, type Row } from '../settings/row.ts';

export const uwsgi: Kind = {
  name: 'uwsgi',
  title: 'an ini of uWSGI',
  matches: ({ text }) => /^[ \t]*\[uwsgi\]/m.test(text),
  read: readUwsgi,
};

export const uwsgiRows: readonly Row<undefined>[] = [
  {
    names: 'fastcgi-socket',
    becomes: '`-s`, or `-a` and `-p`',
    apply: ({ options }, value) => {
      Object.assign(options, parseAddress(value.replace(/^unix:/, '')));
    },
  },
  {
    names: 'socket uwsgi-socket http http-socket',
    becomes: 'named: of another protocol',
    apply: (draft, value) =>
      draft.lose(`${value}: it speaks another protocol than FastCGI; let the web server use fastcgi_pass`),
  },
  {
    names: 'worker-exec',
    becomes: 'the program behind `--`: uWSGI gives it the socket as descriptor 0',
    apply: (draft, value) => {
      draft.program = wordsOf(value);
    },
  },
  {
    names: 'processes workers',
    becomes: '`-F`',
    apply: ({ options }, value) => {
      options.workers = value;
    },
  },
  { names: 'cheaper', becomes: '`-F CHEAPER-PROCESSES`', apply: addCheaper },
  { names: 'uid', becomes: '`-u`', apply: ({ options }, value) => void (options.user = value) },
  { names: 'gid', becomes: '`-g`', apply: ({ options }, value) => void (options.group = value) },
  {
    names: 'chmod-socket',
    becomes: '`-M`',
    apply: ({ options }, value) => void (options.socketMode = value),
  },
  {
    names: 'chown-socket',
    becomes: '`-U`, `-G`',
    apply: ({ options }, value) => {
      const [user, group] = value.split(':');
      if (user) options.socketUser = user;
      if (group) options.socketGroup = group;
    },
  },
  { names: 'chdir', becomes: '`-d`', apply: ({ options }, value) => void (options.chdir = value) },
  { names: 'umask', becomes: '`--umask`', apply: ({ options }, value) => void (options.umask = value) },
  { names: 'listen', becomes: '`-b`', apply: ({ options }, value) => void (options.backlog = value) },
  {
    names: 'pidfile pidfile2 safe-pidfile',
    becomes: '`-P`',
    apply: ({ options }, value) => void (options.pidFile = value),
  },
  {
    names: 'harakiri',
    becomes: '`--request-timeout`',
    apply: ({ options }, value) => void (options.requestTimeout = `${value}s`),
  },
  {
    names: 'max-worker-lifetime',
    becomes: '`--max-age`',
    apply: ({ options }, value) => void (options.maxAge = `${value}s`),
  },
  {
    names: 'reload-on-rss',
    becomes: '`--max-memory`',
    apply: ({ options }, value) => void (options.maxMemory = `${value}M`),
  },
  {
    names: 'daemonize logto',
    becomes: '`--output`',
    apply: ({ options }, value) => void (options.output = value),
  },
  {
    names: 'env',
    becomes: '`--env`',
    apply: (draft, value) => {
      const at = value.indexOf('=');
      if (at > 0) draft.addVariable(value.slice(0, at), value.slice(at + 1));
    },
  },
  {
    names:
      'master vacuum die-on-term single-interpreter enable-threads lazy-apps need-app strict plugins plugin',
    becomes: 'nothing',
  },
];

function addCheaper({ options }: Draft, value: string): void {
  options.workers = options.workers === undefined ? value : `${value}-${options.workers}`;
}

function readUwsgi(source: Source, { program }: Surroundings): Converted {
  const settings = readPythonIni(source.text).find(({ name }) => name === 'uwsgi')?.settings ?? [];
  if (!settings.some(({ name }) => name === 'fastcgi-socket'))
    return {
      pools: [],
      notes: [
        { isLost: true, says: 'there is no fastcgi-socket in it: uWSGI speaks a protocol of its own there' },
      ],
    };
  const hasOwn = program !== undefined || settings.some(({ name }) => name === 'worker-exec');
  const draft = new Draft(`${source.path}: [uwsgi]`, hasOwn ? '' : 'uwsgi');
  // `cheaper` needs the number of processes, wherever that stands.
  const ordered = settings.toSorted(
    (one, other) => Number(one.name === 'cheaper') - Number(other.name === 'cheaper'),
  );
  for (const setting of ordered) apply(draft, setting);
  if (program !== undefined) draft.program = wordsOf(program);
  else if (!hasOwn)
    draft.lose(
      'uWSGI is the program there: name one that speaks FastCGI on descriptor 0 (with flup: docs/turbogears.md) by --program',
    );
  return { pools: [draft.finish()], notes: [] };
}

function apply(draft: Draft, { name, value }: Setting): void {
  const row = findRow(uwsgiRows, name);
  if (row) row.apply?.(draft, value, undefined);
  else draft.lose(`${name} = ${value}: it is uWSGI's; see what the program can do instead`);
}
