// The pool's lock, state file and control socket in the base directory. The lock, held for the
// supervisor's life, says whether a pool is alive; the state is a hint for people
// and for the next start, never a proof.
import { constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { addressOfId, maxSocketPath, poolId, type BoundAddress } from '../../core/pool-id.ts';
import type { PoolState } from '../../core/pool-state.ts';
import { readPoolState } from '../proc/boot-clock.ts';
import {
  fileType,
  O_PATH,
  removeIfSame,
  statAt,
  statDescriptor,
  withUmask,
  type NameAt,
} from '../path/file-at.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { describeOpenFailure, openAt, openParent } from '../path/open-parent.ts';
import { UnsafeLinkError } from '../path/path-walk.ts';
import { isSamePath, removeStray } from '../socket/socket-file.ts';
import { StateFile } from './state-file.ts';
import { bindUnix } from '../connection/unix-socket.ts';

const LOCK_EX_NB = 2 | 4;
const W_OK = 2;

/**
 * Creates the base directory if need be and checks that nobody else could put
 * files there: a directory, ours, not a link, writable by its owner only. Directories above it are made
 * for root's own place alone: one that somebody named may be a slip.
 * Returns why it cannot be used, or undefined.
 */
export function prepareBaseDirectory(path: string, isNamed: boolean): string | undefined {
  const uid = process.getuid?.() ?? 0;
  try {
    const at = withUmask(0o022, () => makeDirectory(path, uid === 0 ? 0o755 : 0o700, uid === 0 && !isNamed));
    try {
      return describeUnfit(at, uid);
    } finally {
      libc.close(at.directory);
    }
  } catch (error) {
    const { path: which = path } = error as { path?: string };
    return `${which}: ${describeOpenFailure(error).reason}`;
  }
}

function describeUnfit(at: NameAt, uid: number): string | undefined {
  const descriptor = openAt(at, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const facts = statDescriptor(descriptor);
  libc.close(descriptor);
  if (facts.uid !== uid) return `${at.path} belongs to uid ${facts.uid}`;
  if ((facts.mode & 0o022) !== 0) return `${at.path} is writable by others`;
  const refusal = attempt(() => libc.accessAt(at.directory, at.name, W_OK, 0));
  return refusal < 0 ? `${at.path}: ${libc.strerror(-refusal)}` : undefined;
}

/** Not by Node's `recursive`, which says ENOENT for every failure on the way. */
function makeDirectory(path: string, mode: number, makesParents: boolean): NameAt {
  const at = openOrMakeParent(path, mode, makesParents);
  // The root directory has no name.
  const named = { ...at, name: at.name || '.' };
  const result = attempt(() => libc.mkdirat(named.directory, named.name, mode));
  if (result === 0 || result === -E.EXIST) return named;
  libc.close(at.directory);
  throw Object.assign(new Error(), { path, errno: result });
}

function openOrMakeParent(path: string, mode: number, makesParents: boolean): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (error instanceof UnsafeLinkError) throw error;
    if (code !== 'ENOENT' || !makesParents || dirname(path) === path)
      throw Object.assign(error as Error, { path });
    libc.close(makeDirectory(dirname(path), mode, true).directory);
    return openParent(path);
  }
}

function hash(text: string): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex');
}

/** A file that this start created, to be removed when it fails. */
export interface CreatedFile {
  readonly at: NameAt;
  readonly identity: string;
}

interface HeldFile extends CreatedFile {
  readonly wasCreated: boolean;
  readonly descriptor: number;
}

/** The files of one pool; the lock is held from `tryLock` on. */
export class PoolFiles {
  readonly #lock: HeldFile;
  readonly #state: HeldFile;
  readonly #stateFile: StateFile;
  readonly #id: string;
  #control: HeldFile | undefined;

  private constructor(lock: HeldFile, state: HeldFile, id: string) {
    this.#lock = lock;
    this.#state = state;
    this.#stateFile = new StateFile(state.descriptor);
    this.#id = id;
  }

  static paths(base: string, address: BoundAddress): { id: string; lock: string; state: string } {
    const id = poolId(address, hash);
    return { id, lock: join(base, `${id}.lock`), state: join(base, `${id}.state`) };
  }

  /**
   * The address by which a pool on it is known under this base. A socket's path may have been spelled in another way,
   * through another mount of the same directory: device and inode of that decide. (Links are resolved by now.)
   */
  static knownAddress(base: string, address: BoundAddress): BoundAddress {
    if (address.kind === 'tcp') return address;
    const { path } = address;
    const known = listNames(base)
      .filter((name) => name.endsWith('.lock'))
      .map((name) => addressOfId(name.slice(0, -'.lock'.length)));
    if (known.includes(path)) return address;
    const other = known.find((one) => one.startsWith('/') && isSamePath(one, path));
    return other === undefined ? address : { kind: 'unix', path: other };
  }

  /** Takes the lock; undefined while another process has it. Throws what open(2) says. */
  static tryLock(base: string, address: BoundAddress): PoolFiles | undefined {
    const paths = PoolFiles.paths(base, address);
    for (;;) {
      const lock = openHeld(paths.lock);
      if (!takeLock(lock)) return undefined;
      // The holder before us may have removed the file between our open and our lock.
      if (statAt(lock.at.directory, lock.at.name)?.identity === lock.identity) {
        return new PoolFiles(lock, openState(paths.state, lock), paths.id);
      }
      closeHeld(lock);
    }
  }

  /** The name of the control socket; undefined: none. */
  get controlName(): string | undefined {
    return this.#control?.at.name;
  }

  /** The lock is held by whoever has a copy of this descriptor. */
  get lock(): number {
    return this.#lock.descriptor;
  }

  /** The listening control socket. */
  get control(): number | undefined {
    return this.#control?.descriptor;
  }

  /**
   * Makes the control socket, 0600, in the place of one that a killed supervisor left: the lock
   * says that nobody uses it. Returns it, or why there is none.
   */
  openControl(): { readonly created: CreatedFile } | { readonly problem: string } {
    const base = dirname(this.#lock.at.path);
    // The whole path must fit into sun_path.
    const fits = (name: string): boolean => Buffer.byteLength(join(base, name)) <= maxSocketPath;
    const full = `${this.#id}.ctl`;
    // Only then is a hash worth 10 ms of loading.
    const name = fits(full) ? full : `${hash(this.#id).slice(0, 32)}.ctl`;
    if (!fits(name)) return { problem: `the path of ${base} is too long for a control socket in it` };
    const at = openParent(join(base, name));
    attempt(() => libc.unlinkat(at.directory, name, 0));
    try {
      const descriptor = withUmask(0o177, () => bindUnix(join(base, name)));
      const identity = statAt(at.directory, name)?.identity;
      if (identity === undefined) {
        removeStray(descriptor, at);
        libc.close(descriptor);
        throw new Error('it was moved away meanwhile');
      }
      this.#control = { wasCreated: true, descriptor, at, identity };
      return { created: this.#control };
    } catch (error) {
      // Bound, but it does not listen: the lock says that the name is ours.
      attempt(() => libc.unlinkat(at.directory, name, 0));
      libc.close(at.directory);
      return { problem: `no control socket in ${base}: ${(error as Error).message}` };
    }
  }

  /** What the pool on this address last said of itself; undefined without a readable state. */
  static readState(base: string, address: BoundAddress): PoolState | undefined {
    return readStateFile(PoolFiles.paths(base, address).state);
  }

  /** What the pools under this base last said of themselves; the caller checks which of them live. */
  static readStates(base: string): PoolState[] {
    return listNames(base)
      .filter((name) => name.endsWith('.state'))
      .flatMap((name) => readStateFile(join(base, name)) ?? []);
  }

  /** The pool's state; before the first one of ours, what was left by whoever held the lock before. */
  get state(): StateFile {
    return this.#stateFile;
  }

  /** Removes both files where we may; where not, the state is emptied and the unlocked lock file stays. */
  release(): void {
    if (this.#control) removeIfSame(this.#control.at, this.#control.identity);
    if (!removeIfSame(this.#state.at, this.#state.identity)) this.#clearState();
    removeIfSame(this.#lock.at, this.#lock.identity);
    closeHeld(this.#state);
    closeHeld(this.#lock);
  }

  /** The same for a start that cannot use them: what was there before stays as it is. */
  giveUp(): void {
    for (const { at, identity } of this.created().toReversed()) removeIfSame(at, identity);
    this.abandon();
  }

  /** Lets go of the files without touching them: another supervisor has them. */
  abandon(): void {
    closeHeld(this.#state);
    closeHeld(this.#lock);
    if (!this.#control) return;
    libc.close(this.#control.descriptor);
    libc.close(this.#control.at.directory);
  }

  /** What another supervisor needs to have these files: lock, state, control socket. */
  get descriptors(): readonly [lock: number, state: number, control: number] | undefined {
    return this.#control && [this.#lock.descriptor, this.#state.descriptor, this.#control.descriptor];
  }

  /**
   * The files of a running pool, from descriptors that its supervisor gave: the lock is held by them
   * too. Undefined when they are not those in the directory.
   */
  static adopt(
    base: string,
    address: BoundAddress,
    [lock, state, control]: readonly [lock: number, state: number, control: number],
    controlName: string,
  ): PoolFiles | undefined {
    const paths = PoolFiles.paths(base, address);
    const held = [hold(paths.lock, lock), hold(paths.state, state)] as const;
    const at = openParent(join(base, controlName));
    const identity = statAt(at.directory, at.name)?.identity;
    const areThere = held.every(
      (file) => statAt(file.at.directory, file.at.name)?.identity === file.identity,
    );
    if (!areThere || identity === undefined) return undefined;
    const files = new PoolFiles(held[0], held[1], paths.id);
    files.#control = { wasCreated: false, descriptor: control, at, identity };
    return files;
  }

  /** Lock and state file, as far as this start created them; the lock goes last. */
  created(): readonly CreatedFile[] {
    return [this.#lock, this.#state].filter((file) => file.wasCreated);
  }

  #clearState(): void {
    try {
      this.#stateFile.clear();
    } catch {
      // Read-only by now: the next start finds the lock free and ignores the text.
    }
  }
}

function openHeld(path: string): HeldFile {
  const at = openParent(path);
  const wasCreated = statAt(at.directory, at.name) === undefined;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const descriptor = withUmask(0o077, () => openAt(at, flags, 0o600));
  const facts = statDescriptor(descriptor);
  if ((facts.mode & fileType.mask) !== fileType.regular || facts.uid !== process.getuid?.()) {
    libc.close(descriptor);
    libc.close(at.directory);
    throw new Error(`${path} is not a regular file of ours`);
  }
  return { wasCreated, descriptor, at, identity: facts.identity };
}

/** False: another process has it. A lock that cannot be had at all proves nothing, and is thrown. */
function takeLock(lock: HeldFile): boolean {
  try {
    check('flock', () => libc.flock(lock.descriptor, LOCK_EX_NB));
    return true;
  } catch (error) {
    closeHeld(lock);
    if (errnoOf(error) === E.AGAIN) return false;
    throw error;
  }
}

function hold(path: string, descriptor: number): HeldFile {
  const { identity } = statDescriptor(descriptor);
  return { wasCreated: false, descriptor, at: openParent(path), identity };
}

/** The state file of a lock just taken; a lock that we created does not stay behind a failure. */
function openState(path: string, lock: HeldFile): HeldFile {
  try {
    return openHeld(path);
  } catch (error) {
    if (lock.wasCreated) removeIfSame(lock.at, lock.identity);
    closeHeld(lock);
    throw error;
  }
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Only a file of our own user counts. */
function readStateFile(path: string): PoolState | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const text = statDescriptor(descriptor).uid === process.getuid?.() ? readAll(descriptor) : '';
    libc.close(descriptor);
    return readPoolState(text);
  } catch {
    return undefined;
  }
}

function closeHeld(file: HeldFile): void {
  libc.close(file.descriptor);
  libc.close(file.at.directory);
}

function readAll(descriptor: number): string {
  const buffer = Buffer.alloc(fstatSync(descriptor).size);
  return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, 0));
}
