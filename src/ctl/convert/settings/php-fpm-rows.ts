// What becomes of each setting of a pool of php-fpm: docs/convert.md has the table that is made of these rows.
import { isOn } from '../syntax/php-ini.ts';
import * as values from './php-fpm-values.ts';
import type { Row } from './row.ts';

type Draws = Row<values.PhpPool>;

/** A setting that is an option, as it is. */
function option(
  names: string,
  flag: string,
  key: 'user' | 'group' | 'socketUser' | 'socketGroup' | 'socketMode' | 'chdir' | 'nice',
  otherwise = '',
): Draws {
  return {
    names,
    becomes: `\`${flag}\`${otherwise}`,
    apply: ({ options }, value) => {
      if (value !== '') options[key] = value;
    },
  };
}

function lost(names: string, becomes: string, says: (value: string) => string): Draws {
  return { names, becomes: `named: ${becomes}`, apply: (draft, value) => draft.lose(says(value)) };
}

export const phpFpmRows: readonly Draws[] = [
  option('user', '-u', 'user'),
  option('group', '-g', 'group'),
  {
    names: 'listen',
    becomes: '`-s PATH`, or `-a HOST -p PORT`; a port alone is `-a ::`, as there',
    apply: values.addListen,
  },
  option('listen.owner', '-U', 'socketUser'),
  option('listen.group', '-G', 'socketGroup'),
  option('listen.mode', '-M', 'socketMode', '; 0660 without it, as there'),
  {
    names: 'listen.backlog',
    becomes: '`-b`',
    apply: ({ options }, value) => {
      options.backlog = value;
    },
  },
  {
    names: 'listen.allowed_clients',
    becomes: 'named, unless the address is local: a firewall does that',
    apply: (draft, value, { of }) => {
      if (/^(?:\/|127\.|localhost:|\[::1\]:)/.test(of('listen') ?? '')) return;
      draft.lose(
        `listen.allowed_clients = ${value}: whoever reaches the port may use it; listen on 127.0.0.1, or let a firewall keep the others out`,
      );
    },
  },
  lost(
    'listen.acl_users listen.acl_groups',
    'a socket has one owner and one group (`-U`, `-G`)',
    (value) =>
      `listen.acl_…= ${value}: a socket has an owner and a group: -U, -G, and setfacl when the pool is up`,
  ),
  lost('listen.setfib', 'FreeBSD', () => 'listen.setfib: FreeBSD only'),
  {
    names: 'pm pm.max_children pm.start_servers',
    becomes: '`static`: `-F MAX`; `dynamic`: `-F START-MAX`; `ondemand`: `-F 1-MAX`',
    apply: ({ options }, _value, { of }) => {
      options.workers ??= values.workersOf(of);
    },
  },
  {
    names: 'pm.min_spare_servers pm.max_spare_servers pm.max_spawn_rate',
    becomes: 'nothing: workers come while somebody waits and nobody is idle ([scaling](scaling.md))',
  },
  {
    names: 'pm.process_idle_timeout',
    becomes: '`--idle-timeout`',
    apply: ({ options }, value, { of }) => {
      if (of('pm') === 'ondemand') options.idleTimeout = values.toTime(value);
    },
  },
  {
    names: 'pm.max_requests',
    becomes: '`PHP_FCGI_MAX_REQUESTS`; without it 0, never, as there',
    apply: (draft, value) => draft.addVariable('PHP_FCGI_MAX_REQUESTS', value),
  },
  {
    names: 'pm.status_path pm.status_listen',
    becomes: '`--status-socket`, which has the same formats; the web server passes its path there',
    apply: values.addStatus,
  },
  lost(
    'ping.path ping.response',
    '`spawn-fcgictl ping`, or the status socket',
    (value) => `ping.… = ${value}: spawn-fcgictl ping asks a pool; for a web server there is --status-socket`,
  ),
  {
    names: 'request_terminate_timeout',
    becomes: '`--request-timeout`',
    apply: ({ options }, value) => {
      if (!/^0\w*$/.test(value)) options.requestTimeout = values.toTime(value);
    },
  },
  { names: 'request_terminate_timeout_track_finished', becomes: 'nothing' },
  {
    names: 'request_slowlog_timeout slowlog request_slowlog_trace_depth',
    becomes: 'named: `--request-timeout` logs at half of it where in the kernel a worker is; no trace of PHP',
    apply: (draft, value, { key, of }) => {
      if (key === 'request_slowlog_timeout' && !/^0\w*$/.test(value))
        draft.lose(
          `request_slowlog_timeout = ${value}, slowlog = ${of('slowlog') ?? ''}: there is no trace of PHP's; with --request-timeout TIME the log says at half of it where in the kernel a worker is`,
        );
    },
  },
  {
    names: 'access.log access.format access.suppress_path',
    becomes: 'named: the web server has an access log',
    apply: (draft, value, { key }) => {
      if (key === 'access.log')
        draft.lose(`access.log = ${value}: the web server's access log has the requests`);
    },
  },
  {
    names: 'catch_workers_output',
    becomes: '`yes`: `--output FILE` with the `error_log` of [global], else `--output journal`',
    apply: ({ options }, value, { ofAll }) => {
      if (isOn(value)) options.output = values.outputOf(ofAll('error_log'));
    },
  },
  { names: 'decorate_workers_output', becomes: 'nothing: what workers print is not changed' },
  {
    names: 'clear_env',
    becomes: '`yes`, the default: `env -i` in front of the command (a unit has few variables anyway)',
  },
  { names: 'env[…]', becomes: '`--env`', apply: values.addVariable },
  {
    names: 'php_value[…] php_flag[…] php_admin_value[…] php_admin_flag[…]',
    becomes: '`-d NAME=VALUE` of php-cgi; that a script cannot change `php_admin_…` is named',
    apply: values.addPhpValue,
  },
  {
    names: 'chroot',
    becomes: '`-c`, and named: php-cgi must be in there',
    apply: (draft, value) => {
      if (value === '') return;
      draft.options.chroot = value;
      draft.lose(
        `chroot = ${value}: php-cgi and its libraries must be in there, and its path is one in there`,
      );
    },
  },
  option('chdir', '-d', 'chdir'),
  option('process.priority', '--nice', 'nice'),
  {
    names: 'rlimit_files',
    becomes: '`--rlimit nofile=`',
    apply: (draft, value) => draft.addLimit(`nofile=${value}`),
  },
  {
    names: 'rlimit_core',
    becomes: '`--rlimit core=`',
    apply: (draft, value) => draft.addLimit(`core=${value}`),
  },
  { names: 'process.dumpable', becomes: 'nothing' },
  lost(
    'prefix',
    'write whole paths',
    (value) =>
      `prefix = ${value}: relative paths are below it there; here they are below the directory of the command`,
  ),
  lost(
    'apparmor_hat',
    'AppArmor of a unit: `AppArmorProfile=`',
    (value) => `apparmor_hat = ${value}: in a unit AppArmorProfile= chooses a profile`,
  ),
  {
    names: 'security.limit_extensions',
    becomes: 'named: php-cgi runs what the web server names; let it pass only `.php`',
    apply: (draft, value) =>
      draft.lose(
        `security.limit_extensions = ${value}: php-cgi has no such list; let the web server pass only these (location ~ \\.php$)`,
      ),
  },
  { names: 'include', becomes: 'is followed' },
];
