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
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { addressOfId } from '../../core/pool-id.ts';
import type { PoolState } from '../../core/pool-state.ts';
import { readPoolState } from '../proc/boot-clock.ts';
import { isHeldByTables } from './lock-tables.ts';
import { isRunning } from '../proc/process-look.ts';

/** What lies in a base directory for one address. */
export interface PoolEntry {
  /** The address in its file name; of a very long one only the end (core/pool-id.ts). */
  readonly address: string;
  /** The directory, as its owner would name it. */
  readonly base: string;
  /** The control socket; of a pool that has none, or is not ours, where it would be. */
  readonly controlPath: string;
  /** The owner of the state file. */
  readonly uid: number;
  /** Undefined: not ours to read. */
  readonly state: PoolState | undefined;
  /** Its supervisor is gone, and did not take its files with it: it was killed. */
  readonly isDead: boolean;
  /** Another user's, and not root's: the control socket counts only if it belongs to that user, and is no link. */
  readonly isForeign: boolean;
}

export type PoolDirectory =
  | {
      readonly kind: 'found';
      readonly path: string;
      readonly identity: string;
      readonly entries: readonly PoolEntry[];
    }
  | { readonly kind: 'absent'; readonly path: string }
  | { readonly kind: 'not-permitted'; readonly path: string; readonly reason: string };

/** A state names its workers, and is there twice: 65535 of them have 9 MB, and more for a while in a restart. */
const maxStateBytes = 64 * 1024 * 1024;

/**
 * Reads a base directory: entries of living and of killed pools, and living ones of those that we may not read.
 * It counts only if its owner is us or root (for root: anybody, when `isNamed` by the
 * user), and nobody else may write it.
 */
export function readPoolDirectory(path: string, isNamed: boolean): PoolDirectory {
  try {
    const facts = lstatSync(path);
    const reason = distrust(facts, isNamed);
    if (reason !== undefined) return { kind: 'not-permitted', path, reason };
    const entries = listPools(path).flatMap((id) => readEntry(path, id) ?? []);
    return { kind: 'found', path, identity: identityOf(facts), entries };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { kind: 'absent', path };
    const reason = code === 'EACCES' ? 'permission denied' : (error as Error).message;
    return { kind: 'not-permitted', path, reason };
  }
}

function distrust({ uid, mode }: Stats, isNamed: boolean): string | undefined {
  const own = process.getuid?.() ?? 0;
  if ((mode & constants.S_IFMT) !== constants.S_IFDIR) return 'it is not a directory';
  if (uid !== own && uid !== 0 && !(own === 0 && isNamed)) return `it belongs to uid ${uid}`;
  return (mode & 0o022) === 0 ? undefined : 'it is writable by others';
}

/** Device and inode: what makes two names the same directory. */
export function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** The IDs of pools that have a state file in the directory. */
export function listPools(path: string): string[] {
  return readdirSync(path)
    .filter((name) => name.endsWith('.state'))
    .map((name) => name.slice(0, -'.state'.length))
    .sort();
}

/** Undefined for what is no pool, or no more. */
function readEntry(base: string, id: string): PoolEntry | undefined {
  const path = join(base, `${id}.state`);
  try {
    const { uid, size } = lstatSync(path);
    const controlPath = join(base, `${id}.ctl`);
    const isForeign = uid !== 0 && uid !== process.getuid?.();
    const entry = { address: addressOfId(id), base, controlPath, uid, isDead: false, isForeign };
    // In a directory of another user it may be another file by now.
    const text = readState(path, { owner: uid, mostBytes: maxStateBytes });
    // One that is not ours to read is emptied at a clean end, where it cannot be removed.
    if (text === undefined) {
      const isAlive = size > 0 && isHeldByTables(join(base, `${id}.lock`), controlPath);
      return isAlive ? { ...entry, state: undefined } : undefined;
    }
    const state = readPoolState(text);
    return state && { ...entry, ...describeState(base, id, state) };
  } catch {
    return undefined;
  }
}

/** What a state adds to its entry; `at` is where the directory is to be reached. */
export function describeState(
  at: string,
  id: string,
  state: PoolState,
): Pick<PoolEntry, 'controlPath' | 'state' | 'isDead'> {
  const controlPath = join(at, state.control ?? `${id}.ctl`);
  return { controlPath, state, isDead: !isRunning(state.pid, state.startTime) };
}

interface StateLimits {
  /** Whom it must belong to. */
  readonly owner?: number;
  readonly mostBytes: number;
}

/** Undefined: we may not, or it is not whose it must be. */
export function readState(
  path: string,
  { owner, mostBytes }: StateLimits = { mostBytes: maxStateBytes },
): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'EACCES') return undefined;
    throw error;
  }
  try {
    const facts = fstatSync(descriptor);
    if (owner !== undefined && facts.uid !== owner) return undefined;
    return facts.isFile() && facts.size <= mostBytes ? readFileSync(descriptor, 'utf8') : '';
  } finally {
    closeSync(descriptor);
  }
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
