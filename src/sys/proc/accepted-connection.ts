// Does a process hold a connection that was accepted on our socket? Its sockets are
// borrowed one by one (pidfd_getfd, Linux 5.6) and asked for their own address;
// where that is forbidden, the kernel's tables of connections are searched for them.
import { DescriptorLender } from '../connection/descriptor-lender.ts';
import { E, libc } from '../libc/libc.ts';
import { AF_UNIX, SOL_SOCKET } from '../libc/socket-numbers.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { inodesOf } from '../socket/socket-inodes.ts';
import { isRunning } from './process-stat.ts';
import type { ProcFs } from './proc-fs.ts';
import {
  isHungUp,
  localAddress,
  rawOption,
  socketOption,
  unreadBytes,
} from '../socket-state/socket-facts.ts';
import { tcpFacts, type TcpFacts } from '../socket-state/tcp-facts.ts';

const SO_RCVTIMEO = 20;

/**
 * How far a connection has ended, once everything that came was read. `closed`: for good and for both sides (TCP:
 * reset, state CLOSE), which mostly is found out by an answer that nobody takes. `hung-up`: the client has
 * gone (a Unix socket says so at once); it may have sent its request and mean it all the same.
 */
export type ConnectionEnd = 'open' | 'hung-up' | 'closed';

/** A socket that came from accept(2) on ours. */
export interface Connection {
  readonly inode: string;
  readonly end: ConnectionEnd;
  /** For at least so long its client has been waiting, as the kernel tells (TCP only). */
  readonly ageMs: number | undefined;
  /** Where its kernel may be asked about what was sent and read on it. */
  readonly traffic: SeenTraffic | undefined;
}

/** What is known of a connection's traffic by a copy of its descriptor. */
export interface SeenTraffic {
  /** Its number in the process. */
  readonly descriptor: number;
  readonly hasUnread: boolean;
  /** A read ends by itself after a while (SO_RCVTIMEO). */
  readonly isTimed: boolean;
  /** TCP only. */
  readonly tcp: Pick<TcpFacts, 'isAnswered' | 'quietMs' | 'received' | 'sentMs'> | undefined;
}

/** 'none' at all, or what is least ended of all that it holds; 'unknown': we may not look. */
export type Held = ConnectionEnd | 'none' | 'unknown';

/** Whether the process has a socket open that came from accept(2) on ours. One that is gone has none. */
export function accepted(proc: ProcFs, pid: number, listening: ListenSocket): Held {
  let answer: Held = 'none';
  for (const found of connectionsOf(proc, pid, listening)) {
    if (found === 'unknown' || found.end === 'open') return found === 'unknown' ? found : found.end;
    if (answer !== 'hung-up') answer = found.end;
  }
  return answer;
}

/** Whether it cannot be one that is kept open between two requests. */
export function isPlainlyRequest({ end, traffic }: Connection): boolean {
  if (end !== 'open') return false;
  return !traffic || traffic.hasUnread || traffic.isTimed || traffic.tcp?.isAnswered === false;
}

/** Each of them; 'unknown' is the last one where not all could be seen. */
export function* connectionsOf(
  proc: ProcFs,
  pid: number,
  listening: ListenSocket,
): Generator<Connection | 'unknown'> {
  const descriptors = proc.names(`${pid}/fd`);
  if (!descriptors || descriptors.length === 0) {
    if (isUnseen(proc, pid, descriptors !== undefined)) yield 'unknown';
    return;
  }
  const lender = new DescriptorLender(pid);
  // Most workers at rest hold nothing that would have to be compared with it.
  let own: Buffer | undefined;
  const ownAddress = (): Buffer => (own ??= localAddress(listening.descriptor));
  const shared = inodesOf(listening);
  /** Sockets that may not be borrowed. */
  const withheld: Withheld[] = [];
  try {
    for (const name of descriptors) {
      const link = proc.lookUpLink(`${pid}/fd/${name}`);
      if (link === -E.ACCES || link === -E.PERM) {
        if (isUnseen(proc, pid, false)) yield 'unknown';
        return;
      }
      if (typeof link === 'number' || !link.startsWith('socket:[')) continue;
      const inode = link.slice(8, -1);
      if (shared.has(inode)) continue;
      const borrowed = lender.borrow(Number(name));
      // Closed or ended meanwhile.
      if (borrowed === -E.BADF || borrowed === -E.SRCH) continue;
      const connection = borrowed < 0 ? undefined : examine(borrowed, Number(name), inode, ownAddress());
      if (borrowed < 0) withheld.push({ inode, link: `${pid}/fd/${name}` });
      else if (connection) yield connection;
    }
  } finally {
    lender.close();
  }
  if (withheld.length > 0) yield* lookUp(proc, withheld, listening, ownAddress());
}

/** No descriptors to see: it has ended or is about to, has none, or hides them; or only its first thread has ended. */
function isUnseen(proc: ProcFs, pid: number, isOpen: boolean): boolean {
  const stat = proc.stat(pid);
  if (!stat || (stat.threads <= 1 && (stat.isExiting || !isRunning(stat)))) return false;
  return !isOpen || stat.isExiting;
}

/** Looks at a borrowed socket and closes it; undefined when it has nothing to do with ours. */
function examine(borrowed: number, descriptor: number, inode: string, own: Buffer): Connection | undefined {
  try {
    if (!isSameService(own, localAddress(borrowed))) return undefined;
    if (socketOption(borrowed, 'isListening') === 1) return undefined;
    const tcp = own.readUInt16LE() === AF_UNIX ? undefined : tcpFacts(borrowed);
    const end = tcp ? (tcp.isClosed ? 'closed' : 'open') : isHungUp(borrowed) ? 'hung-up' : 'open';
    const hasUnread = unreadBytes(borrowed) !== 0;
    const isTimed = rawOption(borrowed, SOL_SOCKET, SO_RCVTIMEO, 16)?.some((byte) => byte !== 0) ?? true;
    const traffic = { descriptor, hasUnread, isTimed, tcp };
    return { inode, end: hasUnread ? 'open' : end, ageMs: tcp?.waitingMs, traffic };
  } finally {
    libc.close(borrowed);
  }
}

/** The same path, or the same family and port: one bound to every address has another IP when connected. */
function isSameService(own: Buffer, other: Buffer): boolean {
  if (own.length < 4 || other.length !== own.length) return false;
  return own.readUInt16LE() === AF_UNIX ? own.equals(other) : own.subarray(0, 4).equals(other.subarray(0, 4));
}

interface Withheld {
  readonly inode: string;
  /** Below /proc. */
  readonly link: string;
}

/**
 * By /proc/net, which is slower (milliseconds) but asks for no permission: Docker's seccomp forbids borrowing.
 * What has ended for good is in none of these tables.
 */
function* lookUp(
  proc: ProcFs,
  sockets: readonly Withheld[],
  listening: ListenSocket,
  own: Buffer,
): Generator<Connection | 'unknown'> {
  const isUnix = own.readUInt16LE() === AF_UNIX;
  const entries = isUnix ? unixEntries(proc) : [...tcpEntries(proc, 'tcp'), ...tcpEntries(proc, 'tcp6')];
  const byInode = new Map(entries.map((entry) => [entry.inode, entry]));
  const service = byInode.get(listening.inode)?.service;
  if (service === undefined) {
    yield 'unknown';
    return;
  }
  for (const socket of sockets) {
    const entry = byInode.get(socket.inode);
    const isOurs = entry
      ? !entry.isListening && entry.service === service
      : isUnix && isFromAfar(proc, socket);
    if (isOurs === 'unknown') yield isOurs;
    else if (isOurs) yield { inode: socket.inode, end: 'open', ageMs: undefined, traffic: undefined };
  }
}

/**
 * What accept(2) gives of a Unix socket is of its client's network namespace, and in no table of ours if that is
 * another one: a web server's in another container. What else is a Unix socket from there is inherited from us, as
 * standard output that whoever started us has made.
 */
function isFromAfar(proc: ProcFs, { inode, link }: Withheld): boolean | 'unknown' {
  const target = `socket:[${inode}]`;
  const protocol = proc.socketProtocol(link);
  if (protocol === undefined) return proc.lookUpLink(link) === target && 'unknown';
  return (
    protocol.startsWith('UNIX') &&
    !proc.list('self/fd').some((name) => proc.readLink(`self/fd/${name}`) === target)
  );
}

interface TableEntry {
  readonly inode: string;
  /** What connections have in common with the socket they were accepted on. */
  readonly service: string;
  /** Another one of the same name, as a pool has for a while whose socket was bound anew. */
  readonly isListening: boolean;
}

const UNIX_LISTEN = '00010000';
const TCP_LISTEN = '0A';

/** Lines `NUM: REFS PROTOCOL FLAGS TYPE STATE INODE PATH`; the path is missing where a client has not bound its socket. */
function unixEntries(proc: ProcFs): TableEntry[] {
  return proc.readTable('net/unix').map((line) => {
    const fields = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+)(?: (.+))?$/.exec(line);
    const isListening = fields?.[1] === UNIX_LISTEN;
    return { inode: fields?.[2] ?? '', service: fields?.[3] ?? '', isListening };
  });
}

/** Lines `SL: IP:PORT …` with the inode as the tenth field. */
function tcpEntries(proc: ProcFs, table: 'tcp' | 'tcp6'): TableEntry[] {
  return proc.readTable(`net/${table}`).map((line) => {
    const fields = line.trim().split(/\s+/);
    const service = `${table} ${fields[1]?.split(':')[1]}`;
    return { inode: fields[9] ?? '', service, isListening: fields[3] === TCP_LISTEN };
  });
}
