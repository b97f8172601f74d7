// What becomes of each setting of a unit: docs/convert.md has the table that is made of these rows.
import { expandSpecifiers, systemdWords, type UnitSetting } from '../syntax/systemd-unit-text.ts';
import type { Draft } from '../wanted-pool.ts';
import { parseAddress } from '../kinds/arguments.ts';
import type { Row } from './row.ts';

interface Place {
  readonly unit: string;
}

type Text = 'user' | 'group' | 'chdir' | 'umask' | 'nice' | 'chroot';

function option(names: string, flag: string, key: Text): Row<Place> {
  return {
    names,
    becomes: `\`${flag}\``,
    apply: (draft, value, { unit }) => {
      if (value === '~') draft.lose(`${names}=~: give ${flag} with the home of the user`);
      else if (value !== 'root')
        draft.options[key] ??= expandSpecifiers(value.replace(/^-(?=\/)/, ''), unit, draft);
    },
  };
}

function limit(name: string): Row<Place> {
  return {
    names: `Limit${name.toUpperCase()}`,
    becomes: `\`--rlimit ${name}=\``,
    apply: (draft, value) => draft.addLimit(`${name}=${value.replace(/^infinity$/, 'unlimited')}`),
  };
}

export const systemdRows: readonly Row<Place>[] = [
  { names: 'ExecStart', becomes: 'the command; `@`, `-`, `+` in front of it are dropped' },
  option('User', '-u', 'user'),
  option('Group', '-g', 'group'),
  option('WorkingDirectory', '-d', 'chdir'),
  option('RootDirectory', '-c', 'chroot'),
  option('UMask', '--umask', 'umask'),
  option('Nice', '--nice', 'nice'),
  limit('nofile'),
  limit('nproc'),
  limit('core'),
  limit('as'),
  limit('memlock'),
  {
    names: 'Environment',
    becomes: '`--env`',
    apply: (draft, value, { unit }) => {
      for (const word of systemdWords(value, unit, draft)) {
        const at = word.indexOf('=');
        if (at > 0) draft.addVariable(word.slice(0, at), word.slice(at + 1));
      }
    },
  },
  {
    names: 'EnvironmentFile PassEnvironment',
    becomes: 'named: it may stand in the new unit',
    apply: (draft, value) =>
      draft.lose(`EnvironmentFile=${value}: it is not read; put the line into the new unit`),
  },
  {
    names: 'StandardOutput StandardError',
    becomes: '`--output`: journal, null, or the file of `append:` and `file:`',
    apply: (draft, value) => {
      const [, path] = /^(?:append|file|truncate):(.*)$/.exec(value) ?? [];
      if (path !== undefined) draft.options.output = path;
      else if (/^(?:journal|null)/.test(value))
        draft.options.output = value.startsWith('null') ? 'null' : 'journal';
      else if (value !== 'inherit')
        draft.remark(`StandardOutput=${value}: --output FILE, or --output '|logger' for syslog`);
    },
  },
  {
    names: 'PIDFile',
    becomes: '`-P`',
    apply: ({ options }, value) => {
      options.pidFile ??= value;
    },
  },
  {
    names: 'TimeoutStopSec',
    becomes: '`--stop-timeout`',
    apply: (draft, value) => {
      const { options } = draft;
      if (/^\d+(?:s|m|ms|h|min)?$/.test(value)) options.stopTimeout = value.replace('min', 'm');
      else draft.lose(`TimeoutStopSec=${value}: --stop-timeout takes one number with its unit`);
    },
  },
  {
    names: 'KillSignal',
    becomes: '`--stop-signal`; TERM is left to `auto`',
    apply: ({ options }, value) => {
      const name = value.replace(/^SIG/, '');
      if (name !== 'TERM') options.stopSignal = name;
    },
  },
  {
    names: 'ExecStartPost',
    becomes:
      '`-M`, `-U`, `-G` where it is a chmod or chown of the socket; else named: it may stand in the new unit',
  },
  {
    names:
      'Type Restart RestartSec KillMode ExecReload ExecStop ExecStartPre ExecStopPost RemainAfterExit GuessMainPID SuccessExitStatus StandardInput TimeoutSec TimeoutStartSec StartLimitBurst SyslogIdentifier',
    becomes: 'nothing: `--unit` has its own; what `ExecStartPre=` prepares is to be kept',
  },
];

/** Of the .socket beside it. */
export function addSocketSettings(draft: Draft, settings: readonly UnitSetting[], name: string): void {
  const { options } = draft;
  const unit = name.replace(/\.socket$/, '');
  for (const { section, name: setting, value } of settings) {
    if (section !== 'Socket') continue;
    const text = expandSpecifiers(value, unit, draft);
    switch (setting) {
      case 'ListenStream':
        if (text.startsWith('@')) {
          options.listenFd = '0';
          draft.lose(
            `ListenStream=${text}: an abstract socket can only be given: keep ${name}, for the new unit`,
          );
        } else if (options.socket === undefined && options.port === undefined)
          Object.assign(options, listenOf(text));
        else draft.lose(`ListenStream=${text}: a pool has one address, and this is another`);
        break;
      case 'SocketUser':
        options.socketUser = text;
        break;
      case 'SocketGroup':
        options.socketGroup = text;
        break;
      case 'SocketMode':
        options.socketMode = text;
        break;
      case 'Backlog':
        options.backlog = text;
        break;
      case 'Accept':
        if (/^(?:yes|true|on|1)$/i.test(text))
          draft.lose('Accept=yes: one process for each connection is not FastCGI');
        break;
      default:
        draft.remark(`${setting}=${text} of ${name}: systemd keeps that socket; here the pool opens it`);
    }
  }
  if (options.listenFd !== undefined) {
    for (const key of ['socketMode', 'socketUser', 'socketGroup', 'backlog'] as const) delete options[key];
    return;
  }
  if (options.socket === undefined) return;
  options.socketMode ??= '0666';
  if (options.socketUser === undefined && options.user !== undefined)
    draft.remark(
      'SocketUser= is not set: systemd leaves the socket to root; here it is the user of the pool (-U says another one)',
    );
}

function listenOf(text: string): ReturnType<typeof parseAddress> {
  const address = parseAddress(text);
  return 'port' in address && address.address === undefined ? { address: '::', port: address.port } : address;
}
