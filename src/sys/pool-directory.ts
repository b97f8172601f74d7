// Looks for pools in a base directory from outside, as spawn-fcgictl does: reads
// state files and asks the kernel which of them are of a living supervisor. Loads no
// libc, changes nothing, and believes only files that nobody else could have put there.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { addressOfId } from '../core/pool-id.ts';
import { parsePoolState, type PoolState } from '../core/pool-state.ts';

/** What lies in a base directory for one address. */
export interface PoolEntry {
  /** The address in its file name; of a very long one only the end (core/pool-id.ts). */
  readonly address: string;
  /** The control socket; of a pool that has none, or is not ours, where it would be. */
  readonly controlPath: string;
  /** The owner of the state file. */
  readonly uid: number;
  /** Undefined: not ours to read. */
  readonly state: PoolState | undefined;
}

export type PoolDirectory =
  | { readonly kind: 'found'; readonly path: string; readonly entries: readonly PoolEntry[] }
  | { readonly kind: 'absent'; readonly path: string }
  | { readonly kind: 'not-permitted'; readonly path: string; readonly reason: string };

/** A state names its workers, and is there twice: 65535 of them have 9 MB, and more for a while in a restart. */
const maxStateBytes = 64 * 1024 * 1024;

/**
 * Reads a base directory: entries of living pools, and of those that we may not read.
 * It counts only if its owner is us or root (for root: anybody, when `isNamed` by the
 * user), and nobody else may write it.
 */
export function readPoolDirectory(path: string, isNamed: boolean): PoolDirectory {
  try {
    const reason = distrust(path, isNamed);
    if (reason !== undefined) return { kind: 'not-permitted', path, reason };
    const ids = readdirSync(path)
      .filter((name) => name.endsWith('.state'))
      .map((name) => name.slice(0, -'.state'.length));
    return { kind: 'found', path, entries: ids.sort().flatMap((id) => readEntry(path, id) ?? []) };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { kind: 'absent', path };
    const reason = code === 'EACCES' ? 'permission denied' : (error as Error).message;
    return { kind: 'not-permitted', path, reason };
  }
}

function distrust(path: string, isNamed: boolean): string | undefined {
  const own = process.getuid?.() ?? 0;
  const { uid, mode } = lstatSync(path);
  if ((mode & constants.S_IFMT) !== constants.S_IFDIR) return 'it is not a directory';
  if (uid !== own && uid !== 0 && !(own === 0 && isNamed)) return `it belongs to uid ${uid}`;
  return (mode & 0o022) === 0 ? undefined : 'it is writable by others';
}

/** Undefined for what is no pool, or no more. */
function readEntry(base: string, id: string): PoolEntry | undefined {
  const path = join(base, `${id}.state`);
  try {
    const { uid } = lstatSync(path);
    const entry = { address: addressOfId(id), controlPath: join(base, `${id}.ctl`), uid };
    const text = readState(path);
    if (text === undefined) return { ...entry, state: undefined };
    const state = parsePoolState(text);
    if (!state || !isRunning(state.pid, state.startTime)) return undefined;
    const controlPath = state.control === undefined ? entry.controlPath : join(base, state.control);
    return { ...entry, controlPath, state };
  } catch {
    return undefined;
  }
}

/** Undefined: we may not. */
function readState(path: string): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'EACCES') return undefined;
    throw error;
  }
  try {
    const facts = fstatSync(descriptor);
    return facts.isFile() && facts.size <= maxStateBytes ? readFileSync(descriptor, 'utf8') : '';
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Whether the process lives and is the one that was recorded (ticks since boot, proc(5)).
 * Where /proc is missing or another PID namespace's, the control socket has to tell.
 */
export function isRunning(pid: number, startTime: string): boolean {
  if (!isOwnProc()) return true;
  const fields = statFields(pid);
  return fields?.[19] === startTime && fields[0] !== 'Z' && fields[0] !== 'X';
}

/** Fields of /proc/PID/stat from the state on: the name before it may hold anything. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

export function isProcess(pid: number): boolean {
  return statFields(pid) !== undefined;
}

let ownProc: boolean | undefined;

function isOwnProc(): boolean {
  ownProc ??=
    statFields(process.pid) !== undefined &&
    readFileSync('/proc/self/stat', 'latin1').startsWith(`${process.pid} `);
  return ownProc;
}

/** What a path given as a target is. */
export type PathContent =
  | { readonly kind: 'pid-file'; readonly text: string }
  | { readonly kind: 'other' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'not-permitted' };

/** Looks what is there, and reads the first bytes of a regular file; opens nothing else. */
export function readPath(path: string): PathContent {
  try {
    if (!statSync(path).isFile()) return { kind: 'other' };
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const buffer = Buffer.alloc(64);
    const text = buffer.toString('latin1', 0, readSync(descriptor, buffer, 0, 64, 0));
    closeSync(descriptor);
    return { kind: 'pid-file', text };
  } catch (error) {
    return { kind: codeOf(error) === 'EACCES' ? 'not-permitted' : 'absent' };
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
