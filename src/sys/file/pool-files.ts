// The pool's lock, state file and control socket in the base directory. The lock, held for the
// supervisor's life, says whether a pool is alive; the state is a hint for people
// and for the next start, never a proof.
import { fchmodSync, fchownSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { maxSocketPath, type BoundAddress } from '../../core/pool-id.ts';
import { removeIfSame, statAt, withUmask, type FileFacts } from '../path/file-at.ts';
import { attempt, libc } from '../libc/libc.ts';
import { openParent } from '../path/open-parent.ts';
import { adjustSocketFile, removeStray } from '../socket/socket-file.ts';
import {
  closeHeld,
  holdGiven,
  openHeld,
  openStateUnder,
  takeLock,
  type CreatedFile,
  type HeldFile,
} from './held-file.ts';
import { hash, pathsOfPool } from './pool-names.ts';
import { StateFile } from './state-file.ts';
import { bindUnix } from '../connection/unix-socket.ts';

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

  /** Takes the lock; undefined while another process has it. Throws what open(2) says. */
  static tryLock(base: string, address: BoundAddress): PoolFiles | undefined {
    const paths = pathsOfPool(base, address);
    for (;;) {
      const lock = openHeld(paths.lock);
      if (!takeLock(lock)) return undefined;
      // The holder before us may have removed the file between our open and our lock.
      if (statAt(lock.at.directory, lock.at.name)?.identity === lock.identity) {
        return new PoolFiles(lock, openStateUnder(paths.state, lock), paths.id);
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
   * says that nobody uses it. Members of the group may connect, 0660, and read the state, by which they find it.
   * Returns it, or why there is none.
   */
  openControl(group?: number): { readonly created: CreatedFile } | { readonly problem: string } {
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
      this.#shareState(group);
      if (group !== undefined && !adjustSocketFile({ at, identity }, { mode: 0o660, gid: group })) {
        removeStray(descriptor, at);
        libc.close(descriptor);
        throw new Error(`it cannot be given to the group ${group}`);
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

  /** Mode and owner of the control socket's file; undefined: it is not there. */
  controlFacts(): FileFacts | undefined {
    return this.#control && statAt(this.#control.at.directory, this.#control.at.name);
  }

  /** The file may be one that a killed supervisor has left, and have shared. */
  #shareState(group: number | undefined): void {
    const { descriptor, wasCreated } = this.#state;
    if (group !== undefined) fchownSync(descriptor, -1, group);
    if (group !== undefined || !wasCreated) fchmodSync(descriptor, group === undefined ? 0o600 : 0o640);
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
    const paths = pathsOfPool(base, address);
    const held = [holdGiven(paths.lock, lock), holdGiven(paths.state, state)] as const;
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
