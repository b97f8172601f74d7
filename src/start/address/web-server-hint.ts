// The classic question: the pool is up, and the web server may not connect. Told to people
// on a terminal, where the socket has its default mode and owner; elsewhere it costs one call.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Config } from '../../core/config.ts';
import { permission, permits, type Permissions } from '../../core/file-access.ts';
import type { BoundAddress } from '../../core/pool-id.ts';
import { findAccounts, nameOf, webServerUsers, type Account } from '../../sys/process/accounts.ts';
import { hasAccessList } from '../../sys/path/file-at.ts';
import { libc } from '../../sys/libc/libc.ts';
import type { SocketOwner } from '../../sys/socket/take-socket-file.ts';

/** Looked at before chroot and the drop of privileges, for a socket that will have this owner and mode. */
export function describeShutOut(config: Config, address: BoundAddress, owner: SocketOwner): string[] {
  if (address.kind !== 'unix' || config.socketMode !== undefined || libc.isatty(2) !== 1) return [];
  if (config.socketGroup !== undefined) return describeGroup(config.socketGroup, owner.mode);
  if (config.socketUser !== undefined) return [];
  const directories = directoriesAbove(address.path);
  // Nobody knows better than the kernel what a list of access control allows.
  if (!directories || directories.some(({ path }) => hasAccessList(path))) return [];
  return describeServers(address.path, socketFacts(owner, directories.at(-1)), directories);
}

/** To connect is to write, and the usual umask takes that from the group. */
function describeGroup(group: string, mode: number): string[] {
  if ((mode & groupWrites) !== 0) return [];
  return [
    `the group of -G ${group} cannot connect: the umask leaves the socket mode ${octal(mode)}, and to connect is to write; add -M 0660`,
  ];
}

const groupWrites = 0o020;

function describeServers(path: string, socket: Permissions, directories: readonly Directory[]): string[] {
  const servers = findAccounts(webServerUsers);
  const [server] = servers;
  const closed = servers.map((one) => directories.find((each) => !permits(each, one, permission.search)));
  const canConnect = (one: Account, index: number): boolean =>
    closed[index] === undefined && permits(socket, one, permission.write);
  if (!server || servers.some(canConnect)) return [];
  const names = servers.map(({ name }) => name).join(', ');
  const whoCan =
    servers.length === 1
      ? `${names}, the web server's user here, cannot`
      : `no web server's user here (${names}) can`;
  const [directory] = closed;
  return directory === undefined
    ? [`${whoCan} connect to ${path} (${describe(socket)}): ${waysIn(server, socket)}`]
    : [
        `${whoCan} enter ${directory.path} (${describe(directory)}) and connect to ${path}: take another directory, such as /run`,
      ];
}

function waysIn({ gids }: Account, socket: Permissions): string {
  if (gids.includes(socket.gid)) return `-M 0660 lets its group in`;
  if (process.getuid?.() !== 0) return '-M 0666 lets everybody in';
  const mode = (socket.mode & groupWrites) === 0 ? '-M 0660 ' : '';
  return `${mode}-G ${nameOf(gids[0] ?? 0, 'group')} lets its group in, -M 0666 everybody`;
}

interface Directory extends Permissions {
  readonly path: string;
}

/** From the root on, links resolved already; undefined when we may not look ourselves. */
function directoriesAbove(path: string): Directory[] | undefined {
  const found: Directory[] = [];
  try {
    for (let next = dirname(path); ; next = dirname(next)) {
      const { uid, gid, mode } = statSync(next);
      found.unshift({ path: next, uid, gid, mode });
      if (next === '/') return found;
    }
  } catch {
    return undefined;
  }
}

/** A directory with the set-group-ID bit gives its group to what is made in it. */
function socketFacts({ uid, gid, mode }: SocketOwner, directory: Directory | undefined): Permissions {
  const inherited = directory && (directory.mode & 0o2000) !== 0 ? directory.gid : process.getegid?.();
  return { uid: uid || (process.geteuid?.() ?? 0), gid: gid || (inherited ?? 0), mode };
}

function describe({ uid, gid, mode }: Permissions): string {
  return `mode ${octal(mode)}, ${nameOf(uid, 'passwd')}:${nameOf(gid, 'group')}`;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
