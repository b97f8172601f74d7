// lighttpd's fastcgi.server with bin-path: the pools that lighttpd starts itself.
import { posix } from 'node:path';
import {
  type Assignment,
  entriesOf,
  readLighttpd,
  type Statement,
  textOf,
  unsaidIn,
  type Value,
  type Variables,
} from '../syntax/lighttpd-config.ts';
import { type Converted, Draft, type Note, type WantedPool } from '../wanted-pool.ts';
import { takeProgram } from './arguments.ts';
import type { Kind, Source, Surroundings } from './kind.ts';
import { lighttpdRows, type LighttpdPool } from '../settings/lighttpd-rows.ts';
import { findRow } from '../settings/row.ts';

export const lighttpd: Kind = {
  name: 'lighttpd',
  title: "lighttpd's configuration",
  matches: ({ text }) => /^\s*(?:fastcgi|server)\.[\w-]+\s*[+:]?=/m.test(text),
  read: readConfiguration,
};

type Located = Statement & { readonly path: string };

function readConfiguration(source: Source, surroundings: Surroundings): Converted {
  const notes: Note[] = [];
  const variables: Variables = new Map();
  const statements = follow(source, source, surroundings, variables, notes, 0);
  const settings = new Map<string, Value>();
  for (const one of statements) if (one.kind === 'assignment') settings.set(one.name, one.value);
  const pools = statements.flatMap((one) =>
    one.kind === 'assignment' && one.name === 'fastcgi.server'
      ? readServers(one, one.path, settings, variables)
      : [],
  );
  if (statements.some((one) => one.kind === 'assignment' && one.name === 'scgi.server'))
    notes.push({ isLost: false, says: 'scgi.server is another protocol, and stays with lighttpd' });
  return { pools, notes };
}

/** `main`: what every include is relative to. */
function follow(
  main: Source,
  source: Source,
  surroundings: Surroundings,
  variables: Variables,
  notes: Note[],
  depth: number,
): Located[] {
  const statements = readLighttpd(source.text, variables, surroundings.environment);
  return statements.flatMap((statement) => {
    if (statement.kind === 'command' && !/use-ipv6|create-mime/.test(statement.text))
      notes.push({
        isLost: true,
        says: `${source.path}:${statement.line}: ${statement.text} is not run; convert what it prints by itself`,
      });
    if (statement.kind !== 'include' || depth > 10) return [{ ...statement, path: source.path }];
    return surroundings.include(statement.file, main).flatMap((file) => {
      if (file.refusal === undefined) return follow(main, file, surroundings, variables, notes, depth + 1);
      notes.push({ isLost: true, says: `${file.path}, which it includes: ${file.refusal}` });
      return [];
    });
  });
}

/** `( ".php" => (( … ), ( … )), "/app" => ( "label" => ( … ) ) )`. */
function readServers(
  { value, line, condition }: Assignment,
  path: string,
  settings: ReadonlyMap<string, Value>,
  variables: Variables,
): WantedPool[] {
  return entriesOf(value).flatMap(({ key = '', value: servers }) =>
    entriesOf(servers).flatMap((server) => {
      const own = new Map(entriesOf(server.value).map((entry) => [entry.key ?? '', entry.value]));
      if (!own.has('bin-path')) return [];
      const draft = new Draft(`${path}:${line} (${key})`, server.key ?? '');
      addServer(draft, { own, settings, variables }, condition);
      return [draft.finish()];
    }),
  );
}

function addServer(draft: Draft, pool: LighttpdPool, condition: string | undefined): void {
  // Two blanks have an empty argument between them there.
  takeProgram(draft, textOf(pool.own.get('bin-path')).trim().split(/[ \t]/));
  const program = draft.program[0] ?? '';
  if (program.startsWith('/')) draft.options.chdir = posix.dirname(program);
  if (draft.name === '') draft.name = posix.basename(program);
  draft.options.workers ??= '4';
  for (const [name, value] of pool.own) {
    const row = findRow(lighttpdRows, name);
    for (const unsaid of row?.apply || name === 'bin-path' ? unsaidIn(value) : [])
      draft.lose(`"${name}" has ${unsaid} in it: the input does not say what that is; put it in by hand`);
    if (!row) draft.lose(`"${name}" => ${textOf(value)}: not known`);
    else row.apply?.(draft, textOf(value), pool);
  }
  const { options } = draft;
  if (options.port !== undefined) options.address ??= '127.0.0.1';
  const [user, group, chroot, log] = [
    'server.username',
    'server.groupname',
    'server.chroot',
    'server.breakagelog',
  ].map((name) => textOf(pool.settings.get(name)));
  if (user) options.user = user;
  else draft.lose('server.username is not in it: without -u USER the pool runs as who calls the command');
  if (group) options.group = group;
  if (log) options.output = log;
  if (chroot) {
    options.chroot = chroot;
    draft.remark(
      `server.chroot = "${chroot}": the program's path and the socket's are paths in there, as with lighttpd`,
    );
  }
  if (condition !== undefined)
    draft.remark(`it stands below ${condition}, and is started whatever that is, as lighttpd does`);
  draft.remark(
    'in lighttpd.conf leave "socket", or "host" and "port", and take out "bin-path", "max-procs" and "bin-environment": it is one socket for all workers, where lighttpd had one each (with -0, -1 … behind the path)',
  );
}
