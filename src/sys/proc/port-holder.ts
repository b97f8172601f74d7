// Who listens on an address: for hints, and to know the workers that a killed supervisor left.
import { basename, join } from 'node:path';
import { formatAddress, type AbstractAddress, type BoundAddress } from '../../core/pool-id.ts';
import { AT_FDCWD, statAt } from '../path/file-at.ts';
import { parseIp } from '../socket/socket-address.ts';
import type { ProcFs } from './proc-fs.ts';
import { isSamePath, matchBoundFile } from '../socket/socket-file.ts';

export interface Holder {
  readonly pid: number;
  readonly comm: string;
}

/** The first process found that has the listening socket open, as far as we may see; undefined otherwise. */
export function findHolder(proc: ProcFs, address: BoundAddress): Holder | undefined {
  const inodes = inodesOn(proc, address);
  if (inodes.size === 0) return undefined;
  for (const pid of proc.pids()) {
    for (const fd of proc.list(`${pid}/fd`)) {
      const link = proc.readLink(`${pid}/fd/${fd}`);
      if (link?.startsWith('socket:[') && inodes.has(link.slice(8, -1))) {
        return { pid, comm: proc.stat(pid)?.comm ?? '?' };
      }
    }
  }
  return undefined;
}

function inodesOn(proc: ProcFs, address: BoundAddress): Set<string> {
  return address.kind === 'tcp' ? listeningInodes(proc, address) : listenersAt(proc, address);
}

/** Inodes of the sockets that listen on the very address, of our network namespace; of a Unix one by the file at its path. */
export function listenersAt(proc: ProcFs, address: BoundAddress): Set<string> {
  if (address.kind === 'tcp')
    return listeningInodes(proc, address, (own, wanted) => own.length > 0 && own.equals(wanted));
  return address.kind === 'unix' ? inodesAt(proc, address.path) : inodesNamed(proc, address);
}

const TCP_LISTEN = '0A';
/** __SO_ACCEPTCON. */
const UNIX_LISTEN = '00010000';

/** Inodes of listening sockets whose bind would collide: the same port on the same or on every address. */
function listeningInodes(
  proc: ProcFs,
  address: Extract<BoundAddress, { kind: 'tcp' }>,
  isMeant: (own: Buffer, wanted: Buffer) => boolean = collide,
): Set<string> {
  const port = address.port.toString(16).toUpperCase().padStart(4, '0');
  const lines = [...proc.readTable('net/tcp'), ...proc.readTable('net/tcp6')];
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === TCP_LISTEN && fields[1]?.endsWith(`:${port}`))
      .filter((fields) => isMeant(decodeIp(fields[1]?.split(':')[0] ?? ''), encodeIp(address.ip)))
      .map((fields) => fields[9] ?? ''),
  );
}

/** Whether a socket, known by its inode only, listens. */
export function isListeningInode(proc: ProcFs, inode: string): boolean {
  const isTcp = ['net/tcp', 'net/tcp6'].some((table) =>
    proc.readTable(table).some((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[9] === inode && fields[3] === TCP_LISTEN;
    }),
  );
  return isTcp || listeningUnixSockets(proc).some((socket) => socket.inode === inode);
}

/** /proc shows an address as words of the machine, IPv6 as four of them. */
function decodeIp(hex: string): Buffer {
  return Buffer.from(hex, 'hex').swap32();
}

function encodeIp(ip: string): Buffer {
  const address = parseIp(ip, 0);
  if (address?.kind !== 'tcp') return Buffer.alloc(0);
  return address.family === 4 ? address.bytes.subarray(4, 8) : address.bytes.subarray(8, 24);
}

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');

/** As bind(2) sees it: 0.0.0.0 is every IPv4 address, :: every address at all. */
function collide(one: Buffer, other: Buffer): boolean {
  const [a, b] = [one, other].map((ip) => (ip.length === 4 ? Buffer.concat([mappedPrefix, ip]) : ip));
  if (!a || !b) return false;
  return a.equals(b) || covers(a, b) || covers(b, a);
}

function covers(wide: Buffer, narrow: Buffer): boolean {
  if (wide.every((byte) => byte === 0)) return true;
  const isEvery4 = wide.subarray(0, 12).equals(mappedPrefix) && wide.subarray(12).every((byte) => byte === 0);
  return isEvery4 && narrow.subarray(0, 12).equals(mappedPrefix);
}

/** What a state file told of a pool's sockets; the file may be gone from its path. */
export interface Told {
  readonly sockets: readonly string[];
  readonly socketFile?: string | undefined;
}

/** Inodes of the sockets that listen on the very address, or that the state file of a pool there names. */
export function socketsListeningOn(proc: ProcFs, address: BoundAddress, told: Told): Set<string> {
  if (address.kind === 'tcp') return listeningInodes(proc, address);
  return address.kind === 'unix' ? socketInodes(proc, address.path, told) : inodesNamed(proc, address);
}

/**
 * Whoever listens at the path now, whatever name the socket was bound by: another one of the same name may have lost its
 * file, and where the kernel tells neither nobody is named for the other.
 */
function inodesAt(proc: ProcFs, path: string): Set<string> {
  const there = statAt(AT_FDCWD, path)?.identity;
  if (there === undefined) return new Set();
  const sockets = listeningUnixSockets(proc).map(({ inode, name }) => ({
    inode,
    match: matchBoundFile(inode, there),
    isNamed: isSamePath(name, path),
  }));
  const same = sockets.filter(({ match }) => match === 'same');
  const alike = sockets.filter(({ match, isNamed }) => match !== 'other' && isNamed);
  const found = same.length > 0 || alike.length !== 1 ? same : alike;
  return new Set(found.map(({ inode }) => inode));
}

/**
 * By the file that a socket was bound to, since a path has many names (links, mounts, a chroot); where devices are
 * numbered in another way (overlay, btrfs), by the directory that the socket's name leads to.
 */
function socketInodes(proc: ProcFs, path: string, told: Told): Set<string> {
  const there = statAt(AT_FDCWD, path)?.identity;
  const found = new Set<string>();
  for (const { inode, name } of listeningUnixSockets(proc)) {
    if (basename(name) !== basename(path)) continue;
    const match = there === undefined ? 'other' : matchBoundFile(inode, there);
    const isThere = match === 'same' || (match !== 'other' && isSamePath(name, path));
    if (isThere || (told.sockets.includes(inode) && isToldOf(inode, name, path, told))) found.add(inode);
  }
  return found;
}

/**
 * Whether a socket that a state names was one of this path, whose file may be gone: by its name, which may be one in a
 * chroot or from a working directory, or by the file that the state tells of.
 */
function isToldOf(inode: string, name: string, path: string, { socketFile }: Told): boolean {
  if (isSamePath(name, path) || (name !== '' && path.endsWith(join('/', name)))) return true;
  return socketFile !== undefined && matchBoundFile(inode, socketFile) === 'same';
}

/** One of each name can be bound in a network namespace. */
function inodesNamed(proc: ProcFs, address: AbstractAddress): Set<string> {
  const sockets = listeningUnixSockets(proc).filter(({ name }) => name === formatAddress(address));
  return new Set(sockets.map(({ inode }) => inode));
}

function listeningUnixSockets(proc: ProcFs): { inode: string; name: string }[] {
  return proc.readTable('net/unix').flatMap((line) => {
    const fields = line.split(/\s+/);
    const [flags, inode = '', name] = [fields[3], fields[6], fields.slice(7).join(' ')];
    return flags === UNIX_LISTEN ? [{ inode, name }] : [];
  });
}
