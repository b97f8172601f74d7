// Who listens on an address: the sockets, their queues, and every process that has them open as far as we may see. For
// who only looks, by address alone.
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import { credentialsOf } from '../proc/credentials.ts';
import { socketsListeningOn } from '../proc/port-holder.ts';
import { unixListenersOf } from '../proc/process-look.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { parseIp } from '../socket/socket-address.ts';
import { unixQueue, type AcceptQueue } from './accept-queue.ts';
import { listenerQueueFor } from './inet-diag.ts';

export interface ListeningProcess {
  readonly pid: number;
  readonly name: string;
  readonly uid: number | undefined;
}

export interface Listener {
  readonly inode: string;
  /** Undefined where the kernel does not tell. */
  readonly queue: AcceptQueue | undefined;
  /** Empty where we may not look into them. */
  readonly processes: readonly ListeningProcess[];
}

/** The sockets that clients of the address get to. */
export function listenersOn(proc: ProcFs, address: BoundAddress): Listener[] {
  return describe(proc, address, [...socketsListeningOn(proc, address, { sockets: [] })]);
}

/** Unix sockets of that very name that no path leads to any more: their file was removed, or another one is there. */
export function lostListenersOf(proc: ProcFs, address: BoundAddress, found: readonly Listener[]): Listener[] {
  if (address.kind !== 'unix') return [];
  const known = new Set(found.map(({ inode }) => inode));
  const same = (unixListenersOf('self') ?? []).filter((one) => one.address === formatAddress(address));
  const lost = same.map(({ inode }) => inode).filter((inode) => !known.has(inode));
  return describe(proc, address, lost);
}

function describe(proc: ProcFs, address: BoundAddress, inodes: readonly string[]): Listener[] {
  const processes = holdersOf(proc, new Set(inodes));
  return inodes.map((inode) => ({
    inode,
    queue: address.kind === 'tcp' ? tcpQueue(address, inode) : unixQueue(inode),
    processes: processes.get(inode) ?? [],
  }));
}

function holdersOf(proc: ProcFs, inodes: ReadonlySet<string>): Map<string, ListeningProcess[]> {
  const found = new Map<string, ListeningProcess[]>();
  if (inodes.size === 0) return found;
  for (const pid of proc.pids()) {
    const links = new Set(proc.list(`${pid}/fd`).map((fd) => proc.readLink(`${pid}/fd/${fd}`)));
    for (const inode of inodes) {
      if (!links.has(`socket:[${inode}]`)) continue;
      const one = { pid, name: proc.stat(pid)?.comm ?? '?', uid: credentialsOf(pid)?.uid };
      found.set(inode, [...(found.get(inode) ?? []), one]);
    }
  }
  return found;
}

function tcpQueue(
  { ip, port, family }: Extract<BoundAddress, { kind: 'tcp' }>,
  inode: string,
): AcceptQueue | undefined {
  const loopback = family === 4 ? '127.0.0.1' : '::1';
  const reachable = ip === '0.0.0.0' || ip === '::' ? loopback : ip;
  const [to, from] = [parseIp(reachable, port), parseIp(loopback, 0)];
  if (to?.kind !== 'tcp' || from?.kind !== 'tcp') return undefined;
  const found = listenerQueueFor(to.bytes, from.bytes);
  return found?.inode === inode ? found : undefined;
}
