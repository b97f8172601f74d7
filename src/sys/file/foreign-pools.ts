// Where root finds the pools of other users: in their base directories, and wherever a
// supervisor that runs has its files, seen as that process sees them. What another user wrote is a hint: it counts as far
// as the kernel says the same. No link is followed that leads out of the user's own. Loads no libc.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  statSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { addressOfId, parseAddress } from '../../core/pool-id.ts';
import type { PoolState } from '../../core/pool-state.ts';
import { readPoolState } from '../proc/boot-clock.ts';
import { describeState, identityOf, listPools, readState, type PoolEntry } from './pool-directory.ts';
import {
  allPids,
  openFilesOf,
  programOf,
  tcpListenersOf,
  unixListenersOf,
  usersOf,
  type ListeningSocket,
} from '../proc/process-look.ts';

/** A user cannot make root read for ever: so many pools, and so long a state (of some 7000 workers). */
const mostPools = 256;
const mostBytes = 1024 * 1024;
/** A supervisor opens its state file among its first files. */
const firstFiles = 64;

/** A directory that is open, so that it stays the same one. */
interface OpenDirectory {
  /** How its owner names it. */
  readonly path: string;
  /** By the descriptor. */
  readonly at: string;
  readonly descriptor: number;
  readonly uid: number;
  readonly identity: string;
}

/** Pools in the users' base directories and of running supervisors; none in a directory of `known` (by identity). */
export function findForeignPools(known: ReadonlySet<string>): PoolEntry[] {
  const directories = userDirectories().flatMap(({ path, uid }) => open(path, uid) ?? []);
  const all = new Set([...known, ...directories.map(({ identity }) => identity)]);
  return [
    ...directories.flatMap((directory) => readDirectory(directory, known)),
    ...allPids().flatMap((pid) => (isNode(pid) ? readView(pid, all) : [])),
  ];
}

/** The pool whose supervisor is that process, wherever its files are. */
export function findForeignPool(pid: number): PoolEntry[] {
  return readView(pid, new Set());
}

/** By their names, which anybody can choose in /tmp: the owner must be the one that is named. */
function userDirectories(): { path: string; uid: number }[] {
  const inTmp = list('/tmp').map((name) => ({
    path: join('/tmp', name),
    digits: /^spawn-fcgi-(\d+)$/.exec(name)?.[1],
  }));
  const inRun = list('/run/user').map((name) => ({
    path: join('/run/user', name, 'spawn-fcgi'),
    digits: /^\d+$/.exec(name)?.[0],
  }));
  return [...inTmp, ...inRun].flatMap(({ path, digits }) =>
    digits === undefined || Number(digits) === 0 ? [] : [{ path, uid: Number(digits) }],
  );
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Undefined: it is not there, is no directory, belongs to somebody else, or somebody else may write it. */
function open(path: string, uid: number, at = path): OpenDirectory | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(at, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
  const facts = fstatSync(descriptor);
  if (facts.uid === uid && (facts.mode & 0o022) === 0)
    return { path, at: `/proc/self/fd/${descriptor}`, descriptor, uid, identity: identityOf(facts) };
  closeSync(descriptor);
  return undefined;
}

/** Of one directory; the pool of one supervisor, where that is given. It stays open: its pools are reached through it. */
function readDirectory(
  directory: OpenDirectory | undefined,
  known: ReadonlySet<string>,
  supervisor?: number,
): PoolEntry[] {
  if (!directory) return [];
  const ids = known.has(directory.identity) ? [] : listPools(directory.at).slice(0, mostPools);
  const entries = ids.flatMap((id) => readPool(directory, id, supervisor) ?? []);
  if (entries.length === 0) closeSync(directory.descriptor);
  else keptOpen.add(directory.descriptor);
  return entries;
}

/** Directories that stay open, since pools are reached through them. */
const keptOpen = new Set<number>();

/** Lets go of all pools that were found: for who is done with them, and looks again. */
export function releaseForeignPools(): void {
  keptOpen.forEach((descriptor) => closeSync(descriptor));
  keptOpen.clear();
}

function readPool(
  directory: OpenDirectory,
  id: string,
  supervisor: number | undefined,
): PoolEntry | undefined {
  const { at, path, uid } = directory;
  try {
    const state = readPoolState(readState(join(at, `${id}.state`), { owner: uid, mostBytes }) ?? '');
    if (!state || (supervisor !== undefined && state.pid !== supervisor)) return undefined;
    const entry = {
      address: addressOfId(id),
      base: path,
      uid,
      isForeign: uid !== 0,
      ...describeState(at, id, state),
    };
    return isTrue(entry, state) ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** The files of a supervisor that runs: its state file is among what it has open. */
function readView(pid: number, known: ReadonlySet<string>): PoolEntry[] {
  const users = usersOf(pid);
  const file = openFilesOf(pid, firstFiles).find(([, target]) => /^\/.*\.state$/.test(target));
  if (!users || !file) return [];
  const [descriptor, target] = file;
  const path = dirname(target);
  const at = viewOf(pid, descriptor, target);
  const owner = at === undefined ? undefined : statOf(at)?.uid;
  // What belongs to root nobody else has put there; else it is the user's own.
  if (at === undefined || (owner !== 0 && owner !== users[1])) return [];
  return readDirectory(open(path, owner, at), known, pid);
}

/** The directory of an open file from here, or as the process sees it: it may have a /tmp of its own. */
function viewOf(pid: number, descriptor: number, target: string): string | undefined {
  const file = statOf(`/proc/${pid}/fd/${descriptor}`);
  return ['', `/proc/${pid}/root`]
    .map((root) => root + target)
    .filter((path) => {
      const there = linkStatOf(path);
      return file && there && identityOf(there) === identityOf(file);
    })
    .map(dirname)
    .at(0);
}

function isNode(pid: number): boolean {
  return basename(programOf(pid) ?? '').startsWith('node');
}

/**
 * A killed pool's state is proved when somebody acts on it. Of a living one the process that it names must run as the
 * user, listen on this very control socket, and on the address: else a user could name another pool's.
 */
function isTrue(
  entry: Pick<PoolEntry, 'uid' | 'controlPath' | 'isDead' | 'isForeign'>,
  state: PoolState,
): boolean {
  if (!entry.isForeign) return !entry.isDead;
  if (entry.isDead) return state.workerUid === entry.uid;
  const users = usersOf(state.pid);
  if (!users?.every((user) => user === entry.uid)) return false;
  const held = heldBy(state.pid);
  const control = linkStatOf(entry.controlPath);
  const unix = (unixListenersOf(state.pid) ?? []).filter(({ inode }) => held.has(inode));
  return (
    control?.isSocket() === true &&
    control.uid === entry.uid &&
    unix.some((socket) => isBoundTo(state.pid, socket, control)) &&
    isOnAddress(state, held, unix)
  );
}

function heldBy(pid: number): Set<string> {
  return new Set(openFilesOf(pid).map(([, target]) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? ''));
}

/** Whether the name that the process gave the socket leads it to that file. */
function isBoundTo(pid: number, { address }: ListeningSocket, file: Stats): boolean {
  const there = linkStatOf(
    address.startsWith('/') ? `/proc/${pid}/root${address}` : `/proc/${pid}/cwd/${address}`,
  );
  return there !== undefined && identityOf(there) === identityOf(file);
}

function isOnAddress(state: PoolState, held: ReadonlySet<string>, unix: readonly ListeningSocket[]): boolean {
  if (parseAddress(state.address)?.kind === 'tcp')
    return tcpListenersOf(state.pid).some(
      ({ inode, address }) => held.has(inode) && address === state.address,
    );
  // Where the file is another by now, or none, the name that was bound has to do.
  const file = linkStatOf(state.address);
  return unix.some(
    (socket) =>
      socket.address === state.address || (file !== undefined && isBoundTo(state.pid, socket, file)),
  );
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function linkStatOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
