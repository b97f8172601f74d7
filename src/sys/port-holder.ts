// Who listens on an address: for hints, and to know the workers that a killed supervisor left.
import { basename, join } from 'node:path';
import type { BoundAddress } from '../core/pool-id.ts';
import { AT_FDCWD, statAt } from './file-at.ts';
import { parseIp } from './socket-address.ts';
import type { ProcFs } from './proc-fs.ts';
import { askUnixDiag, unixDiag } from './unix-diag.ts';

export interface Holder {
  readonly pid: number;
  readonly comm: string;
}

/** The first process found that has the listening socket open, as far as we may see; undefined otherwise. */
export function findHolder(proc: ProcFs, address: BoundAddress): Holder | undefined {
  const inodes = address.kind === 'tcp' ? listeningInodes(proc, address) : socketInodes(proc, address.path);
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

const TCP_LISTEN = '0A';
/** __SO_ACCEPTCON. */
const UNIX_LISTEN = '00010000';

/** Inodes of listening sockets whose bind would collide: the same port on the same or on every address. */
function listeningInodes(proc: ProcFs, address: Extract<BoundAddress, { kind: 'tcp' }>): Set<string> {
  const port = address.port.toString(16).toUpperCase().padStart(4, '0');
  const lines = [...proc.readTable('net/tcp'), ...proc.readTable('net/tcp6')];
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === TCP_LISTEN && fields[1]?.endsWith(`:${port}`))
      .filter((fields) => collide(decodeIp(fields[1]?.split(':')[0] ?? ''), encodeIp(address.ip)))
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
  const isUnix = (line: string): boolean => {
    const fields = line.split(/\s+/);
    return fields[6] === inode && fields[3] === UNIX_LISTEN;
  };
  return isTcp || proc.readTable('net/unix').some(isUnix);
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

/** Inodes of the sockets that listen on the very address; `told` are those of a state file, whose file may be gone. */
export function socketsListeningOn(
  proc: ProcFs,
  address: BoundAddress,
  told: readonly string[],
): Set<string> {
  return address.kind === 'tcp' ? listeningInodes(proc, address) : socketInodes(proc, address.path, told);
}

/** By name, or, for who bound it by another path to the same file, by the file. */
function socketInodes(proc: ProcFs, path: string, told: readonly string[] = []): Set<string> {
  const file = statAt(AT_FDCWD, path)?.identity;
  const found = new Set<string>();
  for (const line of proc.readTable('net/unix')) {
    const fields = line.split(/\s+/);
    const [flags, inode = '', name] = [fields[3], fields[6], fields.slice(7).join(' ')];
    if (flags !== UNIX_LISTEN) continue;
    const isThere = name === path || (basename(name) === basename(path) && fileOf(inode) === file);
    if (isThere || (told.includes(inode) && isEndOf(path, name))) found.add(inode);
  }
  return found;
}

/** Whether a name that was bound in a chroot, or from a working directory, can have been this path. */
function isEndOf(path: string, name: string): boolean {
  return name !== '' && path.endsWith(join('/', name));
}

/** The bound file as statx(2) would name it; struct unix_diag_vfs has 32 bits of its inode, and its device. */
function fileOf(socketInode: string): string {
  const facts = askUnixDiag(socketInode, unixDiag.file);
  if (!facts) return 'unknown';
  const device = facts.readUInt32LE(4);
  return `${device >>> 20}:${device & 0xfffff}:${facts.readUInt32LE(0)}`;
}
