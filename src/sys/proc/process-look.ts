// What /proc tells of processes without libc, for who only looks: spawn-fcgictl. A start looks by ProcFs.
import { readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs';

/**
 * Whether the process lives and is the one that was recorded (ticks since boot, proc(5)).
 * Where /proc is missing or another PID namespace's, the control socket has to tell.
 */
export function isRunning(pid: number, startTime: string): boolean {
  if (!isOwnProc()) return true;
  const fields = statFields(pid);
  return fields?.[19] === startTime && fields[0] !== 'Z' && fields[0] !== 'X';
}

export function isProcess(pid: number): boolean {
  return statFields(pid) !== undefined;
}

/** Fields of /proc/PID/stat from the state on: the name before it may hold anything. */
function statFields(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

let ownProc: boolean | undefined;

/** Whether the numbers in /proc are those of our own PID namespace. */
function isOwnProc(): boolean {
  ownProc ??= read('/proc/self/stat')?.startsWith(`${process.pid} `) ?? false;
  return ownProc;
}

/** Undefined: it is gone. */
export function parentOf(pid: number): number | undefined {
  const parent = Number(statFields(pid)?.[1]);
  return Number.isInteger(parent) ? parent : undefined;
}

/** Whether paths mean the same to it as to us; undefined: that is not ours to see. */
export function hasOurMounts(pid: number): boolean | undefined {
  const [its, ours] = [readLink(`/proc/${pid}/ns/mnt`), readLink('/proc/self/ns/mnt')];
  return its === undefined || ours === undefined ? undefined : its === ours;
}

/**
 * Whether its root directory is ours. Where its mounts are not, it is so in a sandbox of systemd's (PrivateTmp=), in which
 * most paths mean the same, and not in a container; undefined: that is not ours to see.
 */
export function hasOurRoot(pid: number): boolean | undefined {
  return seesSameFile(pid, '/');
}

/**
 * Whether the path, in which there are no links, leads it to the same file as us; undefined: that is not ours to see, or
 * it has ended.
 */
export function seesSameFile(pid: number, path: string): boolean | undefined {
  const itsRoot = `/proc/${pid}/root`;
  try {
    const [its, ours] = [statSync(`${itsRoot}${path}`, { throwIfNoEntry: false }), statSync(path)];
    if (its) return its.dev === ours.dev && its.ino === ours.ino;
    // Of a process that has ended /proc says the same as of a path that is not there.
    statSync(`${itsRoot}/`);
    return false;
  } catch {
    return undefined;
  }
}

/** The name that the kernel has for it, 15 bytes at most; a program may choose its own. */
export function programNameOf(pid: number): string | undefined {
  return read(`/proc/${pid}/comm`)?.trimEnd();
}

/** USER_HZ, in which /proc tells times: 100 on every architecture that Node runs on. */
const msPerTick = 10;

/** How long ago that was (ticks since boot), in milliseconds; undefined without /proc. */
export function uptimeSince(startTime: string): number | undefined {
  const upSeconds = Number.parseFloat(read('/proc/uptime') ?? '');
  const ms = upSeconds * 1000 - Number(startTime) * msPerTick;
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : undefined;
}

/** Real and effective user; undefined: it is gone. */
export function usersOf(pid: number): readonly [real: number, effective: number] | undefined {
  const match = /^Uid:\s*(\d+)\s+(\d+)/m.exec(read(`/proc/${pid}/status`) ?? '');
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

/** Every process. */
export function allPids(): number[] {
  return list('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** What the process has open, by descriptor; empty where we may not look. */
export function openFilesOf(
  pid: number,
  atMost = Number.POSITIVE_INFINITY,
): [descriptor: number, target: string][] {
  return list(`/proc/${pid}/fd`)
    .map(Number)
    .sort((a, b) => a - b)
    .slice(0, atMost)
    .flatMap((descriptor): [number, string][] => {
      const target = readLink(`/proc/${pid}/fd/${descriptor}`);
      return target === undefined ? [] : [[descriptor, target]];
    });
}

/** The program that the process runs, as the kernel names it. */
export function programOf(pid: number): string | undefined {
  return readLink(`/proc/${pid}/exe`);
}

export interface ListeningSocket {
  readonly inode: string;
  /** A name as it was bound, or `IP:PORT` as pools write theirs. */
  readonly address: string;
}

/** __SO_ACCEPTCON. */
const unixListening = '00010000';
const tcpListening = '0A';

/** Unix sockets that listen in the network namespace of the process; undefined where the kernel does not tell. */
export function unixListenersOf(pid: number | 'self'): ListeningSocket[] | undefined {
  const lines = read(`/proc/${pid}/net/unix`)?.split('\n').slice(1);
  return lines?.flatMap((line) => {
    const fields = line.split(/\s+/);
    const [flags, inode = ''] = [fields[3], fields[6]];
    return flags === unixListening ? [{ inode, address: fields.slice(7).join(' ') }] : [];
  });
}

export function tcpListenersOf(pid: number | 'self'): ListeningSocket[] {
  const lines = ['tcp', 'tcp6'].flatMap((table) =>
    (read(`/proc/${pid}/net/${table}`) ?? '').split('\n').slice(1),
  );
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [local = '', state, inode = ''] = [fields[1], fields[3], fields[9]];
    return state === tcpListening ? [{ inode, address: decodeEndpoint(local) }] : [];
  });
}

/** `0100007F:2328` is 127.0.0.1:9000: words of the machine, then the port. */
function decodeEndpoint(text: string): string {
  const [ip = '', port = ''] = text.split(':');
  const bytes = Buffer.from(ip, 'hex').swap32();
  const number = Number.parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join('.')}:${number}`;
  const groups = Array.from({ length: 8 }, (_unused, index) => bytes.readUInt16BE(index * 2).toString(16));
  // The URL parser writes IPv6 in its canonical short form.
  return `${new URL(`http://[${groups.join(':')}]`).hostname}:${number}`;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
