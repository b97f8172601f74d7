// What becomes of each setting of a program of supervisord: docs/convert.md has the table that is made of these rows.
import { wordsOf } from '../kinds/arguments.ts';
import type { Draft } from '../wanted-pool.ts';
import { findRow, type Row } from './row.ts';
import { addOutput } from './supervisord-output.ts';
import * as values from './supervisord-values.ts';

type Place = values.Place;

const isTrue = (value: string): boolean => /^(?:true|yes|on|1)$/i.test(value);

export const supervisordRows: readonly Row<Place>[] = [
  {
    names: 'command',
    becomes: 'the program behind `--`',
    apply: (draft, value) => {
      draft.program = wordsOf(value);
    },
  },
  { names: 'socket', becomes: '`-s PATH`, or `-a HOST -p PORT`', apply: values.addSocket },
  {
    names: 'socket_mode',
    becomes: "`-M`; without it 0700, which is supervisord's default",
    apply: (draft, value) => {
      draft.options.socketMode = value;
    },
  },
  {
    names: 'socket_owner',
    becomes: '`-U USER -G GROUP`',
    apply: ({ options }, value) => {
      const [user, group] = value.split(':');
      if (user) options.socketUser = user;
      if (group) options.socketGroup = group;
    },
  },
  {
    names: 'socket_backlog',
    becomes: '`-b`; 4096 without it, as there (SOMAXCONN)',
    apply: ({ options }, value) => {
      options.backlog = value;
    },
  },
  {
    names: 'numprocs',
    becomes: '`-F`',
    apply: ({ options }, value) => {
      options.workers = value;
    },
  },
  {
    names: 'numprocs_start',
    becomes: 'named, unless it is 0: slots are counted from 0',
    apply: (draft, value) => {
      if (value !== '0') draft.lose(`numprocs_start = ${value}: slots (%i) are counted from 0`);
    },
  },
  {
    names: 'user',
    becomes: '`-u`, unless it is root',
    apply: ({ options }, value) => {
      if (value === 'root' || value === '0') delete options.user;
      else options.user = value;
    },
  },
  {
    names: 'directory',
    becomes: '`-d`',
    apply: ({ options }, value) => {
      options.chdir = value.replace(/^~(?=\/|$)/, '/root');
    },
  },
  {
    names: 'umask',
    becomes: '`--umask`',
    apply: ({ options }, value) => {
      options.umask = value;
    },
  },
  { names: 'environment', becomes: '`--env`, `%(process_num)d` as `%i`', apply: values.addEnvironment },
  {
    names: 'startsecs',
    becomes: '`--min-uptime`: who dies before is tried again after a delay, and not at once',
    apply: ({ options }, value) => {
      options.minUptime = `${value}s`;
    },
  },
  {
    names: 'startretries',
    becomes: 'named: nobody is given up; `--start-limit` ends a pool that only fails',
    apply: (draft, value) =>
      draft.lose(
        `startretries = ${value}: a worker is never given up, its tries come less and less often; --start-limit ${value}/10s ends a pool whose workers only fail`,
      ),
  },
  {
    names: 'autorestart',
    becomes: '`true`, `unexpected`: a worker that ends is replaced; `false`: named',
    apply: (draft, value) => {
      if (/^(?:false|no|off|0)$/i.test(value))
        draft.lose(
          'autorestart = false: a worker that ends is always replaced; --no-supervise leaves it to others',
        );
      else if (value.toLowerCase() === 'unexpected')
        draft.remark('autorestart = unexpected: a worker that exits with 0 is replaced, too');
    },
  },
  {
    names: 'exitcodes',
    becomes: 'named: whatever a worker exits with, it is replaced',
    apply: (draft, value) => draft.lose(`exitcodes = ${value}: whatever a worker exits with, it is replaced`),
  },
  {
    names: 'autostart',
    becomes: '`false`: named, since a command is started when it is called',
    apply: (draft, value) => {
      if (!isTrue(value))
        draft.remark(
          'autostart = false: do not put the command where it is run at boot, and do not enable the unit',
        );
    },
  },
  {
    names: 'stopsignal',
    becomes: '`--stop-signal`; TERM is left to `auto`, which lets requests end; KILL is `idle-kill`',
    apply: ({ options }, value) => {
      const signal = value.toUpperCase().replace(/^SIG/, '');
      if (signal === 'KILL') options.stopSignal = 'idle-kill';
      else if (signal !== 'TERM' && signal !== '15') options.stopSignal = signal;
    },
  },
  {
    names: 'stopwaitsecs',
    becomes: '`--stop-timeout`',
    apply: ({ options }, value) => {
      options.stopTimeout = `${value}s`;
    },
  },
  {
    names: 'stdout_logfile stderr_logfile redirect_stderr',
    becomes:
      '`--output FILE`, which takes both streams; NONE is `null`, AUTO and two different files are named',
  },
  { names: 'stdout_syslog stderr_syslog', becomes: "`--output '\\|logger -t NAME'`" },
  {
    names: 'stdout_logfile_maxbytes stderr_logfile_maxbytes stdout_logfile_backups stderr_logfile_backups',
    becomes: 'named: logrotate does that, with `copytruncate`',
  },
  {
    names: 'stopasgroup killasgroup',
    becomes: 'nothing: a worker is always ended with all that it has started',
  },
  {
    names: 'priority',
    becomes: 'named: there is no order among pools',
    apply: (draft, value) => draft.remark(`priority = ${value}: pools have no order; a unit has After=`),
  },
  { names: 'process_name', becomes: 'nothing: workers have numbers' },
  {
    names:
      'serverurl stdout_capture_maxbytes stderr_capture_maxbytes stdout_events_enabled stderr_events_enabled',
    becomes:
      'named: there are no event listeners; `spawn-fcgictl events TARGET --exec COMMAND` runs a command for each event',
    apply: (draft, value) => {
      if (!/^(?:0|false|auto)/i.test(value))
        draft.lose(
          "events and XML-RPC of supervisord's: spawn-fcgictl events --exec runs a command for each event of the pool",
        );
    },
  },
];

/** What [supervisord] says for all of them. */
const inherited = new Set(['user', 'directory', 'umask', 'environment']);

export function addProgramSettings(draft: Draft, program: values.Program): void {
  const settings = [
    ...(program.daemon?.settings.filter(({ name }) => inherited.has(name)) ?? []),
    ...program.section.settings,
  ];
  const of = (name: string): string | undefined =>
    program.section.settings.findLast((setting) => setting.name === name)?.value;
  const place: Place = { ...program, of };
  sayDaemonized(draft, program);
  for (const { name, value } of settings) {
    const row = findRow(supervisordRows, name);
    if (!row) draft.lose(`${name} = ${value}: not known`);
    else if (name === 'environment') row.apply?.(draft, value, place);
    else if (row.apply) applyExpanded(draft, row, name, value, place);
  }
  addDefaults(draft, place);
  addOutput(draft, program.name, (name) => of(name) && values.expand(of(name) ?? '', place));
}

function applyExpanded(draft: Draft, row: Row<Place>, name: string, value: string, place: Place): void {
  const expanded = values.expand(value, place);
  values.sayUnknown(draft, name, expanded);
  if (expanded.isBySlot)
    draft.lose(
      `${name} = ${value}: all workers are started with the same words; a variable may differ, --env NAME=%i`,
    );
  row.apply?.(draft, expanded.text, place);
}

function sayDaemonized(draft: Draft, { daemon }: values.Program): void {
  for (const { name, value } of daemon?.settings ?? [])
    if (name === 'directory' || name === 'umask')
      draft.remark(
        `[supervisord] ${name} = ${value}: supervisord heeds it only where it goes to the background itself (not with -n, as systemd starts it)`,
      );
}

function addDefaults({ options }: Draft, { daemon, section }: Place): void {
  // What a [program:x] has is spawn-fcgi's own socket.
  if (section.name.startsWith('fcgi-program')) {
    options.backlog ??= '4096';
    if (options.socket !== undefined) options.socketMode ??= '0700';
  }
  const files = daemon?.settings.findLast(({ name }) => name === 'minfds')?.value;
  if (Number(files) > 1024) options.rlimit = [`nofile=${files}`];
}
