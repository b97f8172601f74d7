// Pools for systemd: a unit of its own each, as docs/systemd/spawn-fcgi@.service has it, or the conf file for that one.
import type { OptionKey } from '../../../command-line/options.ts';
import type { Variable, WantedPool } from '../wanted-pool.ts';
import { heading } from './command.ts';
import { envFileValue, joinedValue, unitValue, unitWord } from './systemd-quotes.ts';
import { optionWords, programWords, variableWords } from './words.ts';

/** What the unit says of itself. */
const own: readonly OptionKey[] = ['foreground', 'supervise', 'pidFile'];
const ofAddress: readonly OptionKey[] = ['listenFd', 'socket', 'address', 'port'];
const ofUser: readonly OptionKey[] = ['user', 'group'];

/** `/etc/systemd/system/NAME.service`; the commands are where `directory` says. */
export function renderUnit(pool: WantedPool, directory: string): string {
  const pid = pool.options.pidFile ?? `%t/spawn-fcgi/${pool.name}/pid`;
  const pidWord = pool.options.pidFile === undefined ? pid : unitWord(pid);
  const words = [
    ...optionWords(pool, new Set(own)),
    ...variableWords(pool.variables.filter(({ isBySlot }) => isBySlot)),
    ...programWords(pool),
  ];
  const command = [`-P ${pidWord}`, ...words.map((group) => group.map(unitWord).join(' '))].join(' ');
  const environment = plain(pool.variables).map(
    ({ name, value }) => `Environment=${unitValue(`${name}=${value}`)}\n`,
  );
  return `# /etc/systemd/system/${pool.name}.service
${heading(pool)}
[Unit]
Description=FastCGI pool ${pool.name}
After=network.target nss-user-lookup.target

[Service]
Type=notify
${environment.join('')}ExecStart=${directory}/spawn-fcgi -n --supervise ${command}
ExecReload=${directory}/spawn-fcgictl reload $MAINPID
Restart=on-failure

KillMode=process
TimeoutStopSec=${stopSeconds(pool)}s
ExecStopPost=-/bin/sh -c '[ $$SERVICE_RESULT != timeout ] || exec ${directory}/spawn-fcgictl stop "$$1"' sh ${pidWord}
OOMPolicy=continue

RuntimeDirectory=spawn-fcgi/${pool.name}
RuntimeDirectoryPreserve=yes
FileDescriptorStoreMax=1
Environment=FDSTORE=1

${hardening}
[Install]
WantedBy=multi-user.target
`;
}

/** `/etc/spawn-fcgi/NAME.conf`. */
export function renderConf(pool: WantedPool): string {
  const { variables, options } = pool;
  const only = (keys: readonly OptionKey[]): string =>
    joinedValue(
      optionWords({
        ...pool,
        options: Object.fromEntries(
          Object.entries(options).filter(([key]) => keys.includes(key as OptionKey)),
        ),
      }).flat(),
    );
  const shell = options.command === undefined ? [] : ['/bin/sh', '-c', `exec ${options.command}`];
  const program = pool.program.length > 0 ? pool.program : shell;
  const others = [
    ...optionWords(pool, new Set<OptionKey>([...own, ...ofAddress, ...ofUser, 'command'])),
    ...variableWords(variables.filter(({ isBySlot }) => isBySlot)),
  ];
  return `# /etc/spawn-fcgi/${pool.name}.conf, for spawn-fcgi@${pool.name}
${heading(pool)}ADDRESS=${only(ofAddress)}
RUN_AS=${only(ofUser)}
OPTIONS=${joinedValue(others.flat())}
PROGRAM=${joinedValue(program)}
${plain(variables)
  .map(({ name, value }) => `${name}=${envFileValue(value)}\n`)
  .join('')}`;
}

function plain(variables: readonly Variable[]): Variable[] {
  return variables.filter(({ isBySlot }) => !isBySlot);
}

/** Longer than the patience with requests. */
function stopSeconds({ options: { stopTimeout } }: WantedPool): number {
  const seconds = Number(/^(\d+)s?$/.exec(stopTimeout ?? '')?.[1] ?? 9);
  return Math.max(15, seconds + 6);
}

/** As docs/systemd/spawn-fcgi@.service has it; test/unit/convert-render.test.ts holds them equal. */
const hardening = `ProtectSystem=full
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=~CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_PACCT CAP_SYS_TTY_CONFIG CAP_LINUX_IMMUTABLE CAP_BPF CAP_PERFMON
CapabilityBoundingSet=~CAP_LEASE CAP_BLOCK_SUSPEND CAP_MAC_ADMIN CAP_MAC_OVERRIDE
`;
