// PID files: opened while privileged, written in place once the pool is up, removed at the
// end, or made to name nobody. Never renamed, never through a symbolic link, never emptied
// by a start that fails.
import { constants, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { noProcess } from '../../core/no-process.ts';
import {
  fileType,
  O_CLOEXEC,
  padWithNewlines,
  removeIfSame,
  statAt,
  statDescriptor,
  type NameAt,
} from '../path/file-at.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { describeOpenFailure, openAt, openParent } from '../path/open-parent.ts';
import { describeLease, openPastLease } from '../path/past-lease.ts';
import { getFileSizeLimit } from '../process/resource-limit.ts';
import { holdFile, openHolding, removeUnheld } from './shared-file.ts';

const FALLOC_FL_KEEP_SIZE = 1;
const AT_EACCESS = 0x200;
const X_OK = 1;
const W_OK = 2;
/** More than any PID list of a supervised pool; asks the disk for a block. */
const reservedBytes = 64;
/** More than the PIDs of as many workers as `--no-supervise` can start. */
const longestContent = 1024 * 1024;

export class PidFile {
  readonly at: NameAt;
  /** For others to find it by, whatever our working directory will be. */
  readonly absolutePath: string;
  readonly identity: string;
  readonly wasCreated: boolean;
  readonly #descriptor: number;
  #content = '';
  /** What we last began to write: a failure may have left it there. */
  #tried = '';
  /** What was there before our first text. */
  #before: Buffer | undefined;

  private constructor(at: NameAt, descriptor: number, identity: string, wasCreated: boolean) {
    this.at = at;
    this.absolutePath = resolve(at.path);
    this.#descriptor = descriptor;
    this.identity = identity;
    this.wasCreated = wasCreated;
  }

  /**
   * Opens the file if it is there; undefined if it is not, but could be made. Throws 1.6's refusal. Made
   * it is only by who has the pool's lock: another start would remove it when it fails.
   */
  static openIfThere(path: string): PidFile | undefined {
    return holding(() => PidFile.#findExisting(path));
  }

  /** Opens or creates the file (0644 & ~umask); throws 1.6's refusal. Changes nothing in an existing file. */
  static open(path: string): PidFile {
    return holding(() => PidFile.#openOrCreate(path));
  }

  static #findExisting(path: string): PidFile | undefined {
    const at = openDirectoryOf(path);
    const file = statAt(at.directory, at.name) && PidFile.#openExisting(path, at);
    if (file) return file;
    const refusal = attempt(() => libc.accessAt(at.directory, '.', W_OK | X_OK, AT_EACCESS));
    libc.close(at.directory);
    if (refusal < 0) throw refuseOpen(path, { errno: refusal });
    return undefined;
  }

  static #openOrCreate(path: string): PidFile {
    const at = openDirectoryOf(path);
    const create = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    for (;;) {
      try {
        const descriptor = openAt(at, create, 0o644);
        return PidFile.#take(at, descriptor, true);
      } catch (error) {
        if (error instanceof SpawnFcgiError || errnoOf(error) !== E.EXIST) throw refuseOpen(path, error);
      }
      const file = PidFile.#openExisting(path, at);
      if (file) return file;
    }
  }

  /** Undefined: who had it has removed it meanwhile. */
  static #openExisting(path: string, at: NameAt): PidFile | undefined {
    const facts = statAt(at.directory, at.name);
    if (facts && (facts.mode & fileType.mask) !== fileType.regular) throw refuseIrregular(path);
    const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC;
    const result = openPastLease(() => attempt(() => libc.openat(at.directory, at.name, flags, 0)));
    if (result === -E.NOENT) return undefined;
    if (result < 0) throw refuseOpen(path, { errno: result });
    return PidFile.#take(at, result, false);
  }

  static #take(at: NameAt, descriptor: number, wasCreated: boolean): PidFile {
    const facts = statDescriptor(descriptor);
    if ((facts.mode & fileType.mask) !== fileType.regular) throw refuseIrregular(at.path);
    if (fstatSync(descriptor).size > longestContent) {
      throw new SpawnFcgiError(`PID-file is too long to be one: '${at.path}'`, {
        hints: ['nothing was written; remove the file, or name another one for -P'],
      });
    }
    if (facts.links > 1) {
      throw new SpawnFcgiError(`PID-file has other names (hard links): '${at.path}'`, {
        hints: ['nothing was written; remove the file, or name another one for -P'],
      });
    }
    return new PidFile(at, descriptor, facts.identity, wasCreated);
  }

  /** The one PID that it holds; undefined without one. */
  get pid(): number | undefined {
    const pid = Number(this.#readText());
    return Number.isInteger(pid) && pid > 0 && pid < noProcess ? pid : undefined;
  }

  /** Lets go of a file that was not touched. */
  close(): void {
    libc.close(this.#descriptor);
    libc.close(this.at.directory);
  }

  /**
   * Claims the file for this pool: refuses one that belongs to a running pool, or a full
   * disk. A lock would be anybody's to take, since anybody may read the file.
   */
  claim(isOfRunningPool: (pid: number, file: string) => boolean): void {
    const { pid } = this;
    if (pid !== undefined && isOfRunningPool(pid, this.identity)) {
      throw new SpawnFcgiError(`PID-file '${this.at.path}' belongs to a running pool (PID ${pid})`, {
        hints: ['nothing was changed; give each pool a PID file of its own'],
      });
    }
    const failure = getFileSizeLimit() < reservedBytes ? E.FBIG : this.#reserve();
    if (failure !== undefined) throw refuseWrite(failure);
  }

  /** Asks the disk for a block; why it has none for us, or undefined. */
  #reserve(): number | undefined {
    const result = attempt(() => libc.fallocate(this.#descriptor, FALLOC_FL_KEEP_SIZE, 0, reservedBytes));
    // Not every file system can reserve.
    return result < 0 && result !== -E.OPNOTSUPP && result !== -E.NOSYS ? -result : undefined;
  }

  /** Keeps a start that failed, and made it before us, from removing the file. False: it is being removed. */
  hold(): boolean {
    return holdFile(this.at, this.identity, this.#descriptor);
  }

  /** Whether the path still leads to this file: a pool that was stopping may have removed it since. */
  isInPlace(): boolean {
    return statAt(this.at.directory, this.at.name)?.identity === this.identity;
  }

  /** Replaces the content. Readers see the old text, nothing, or the new text, never a mixture. */
  write(text: string): void {
    let before: Buffer | undefined;
    this.#tried = text.trim();
    try {
      before = this.#readAll();
      this.#before ??= before;
      this.#replace(before.length, Buffer.from(text));
      this.#content = text;
    } catch (error) {
      if (before) this.#putBack(before);
      throw refuseWrite(errnoOf(error));
    }
  }

  /** After a start that failed: what was there before, if we had written over it. */
  restore(): void {
    if (this.#before !== undefined) this.#putBack(this.#before);
  }

  #putBack(content: Buffer): void {
    try {
      this.#replace(this.#readAll().length, content);
    } catch {
      // As full as a moment ago; the error that is reported says so.
    }
  }

  /**
   * Written over in place, so that a full disk cannot take the old content before the new one is
   * there: the rest of a longer one becomes newlines, which are cut off afterwards.
   */
  #replace(oldLength: number, content: Buffer): void {
    if (content.length > 0) writeAll(this.#descriptor, padWithNewlines(content, oldLength));
    ftruncateSync(this.#descriptor, content.length);
    // An empty file gives its block back.
    if (content.length === 0) this.#reserve();
  }

  #readText(): string {
    return this.#readAll().toString('latin1').trim();
  }

  #readAll(): Buffer {
    const buffer = Buffer.alloc(Math.min(fstatSync(this.#descriptor).size, longestContent));
    return buffer.subarray(0, readSync(this.#descriptor, buffer, 0, buffer.length, 0));
  }

  /** At a clean end: removed if it is still ours and we may, else it names nobody from then on. */
  release(): void {
    try {
      if (this.#readText() === this.#content.trim()) this.#discard();
    } catch {
      // A disk that cannot even be read must not keep a pool from ending.
    }
    libc.close(this.#descriptor);
  }

  /** The same for a supervisor that cannot do it any more, and that wrote this PID. */
  releaseFor(pid: number): void {
    this.#content = String(pid);
    this.release();
  }

  /** After a start that failed: a file that we created goes, one that was there stays as it was. */
  undo(): boolean {
    // A pool on another address may have found it, and be up already.
    const text = this.#readText();
    const isOurs = text === '' || text === this.#content.trim() || text === this.#tried;
    return this.wasCreated && isOurs ? removeUnheld(this.at, this.identity, this.#descriptor) : true;
  }

  #discard(): void {
    if (removeIfSame(this.at, this.identity)) return;
    try {
      this.#replace(this.#readAll().length, Buffer.from(String(noProcess)));
    } catch {
      // A file system that became full leaves room for nothing, a read-only one not even for that.
      ftruncateSync(this.#descriptor, 0);
    }
  }
}

function holding<F extends PidFile | undefined>(open: () => F): F {
  return openHolding(
    open,
    (file) => file === undefined || file.hold(),
    (file) => file?.close(),
  );
}

function openDirectoryOf(path: string): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    const { reason, hints } = describeOpenFailure(error);
    throw new SpawnFcgiError(`opening PID-file '${path}' failed: ${reason}`, { cause: error, hints });
  }
}

function refuseOpen(path: string, error: unknown): SpawnFcgiError {
  if (error instanceof SpawnFcgiError) return error;
  if (errnoOf(error) === E.LOOP) return refuseIrregular(path);
  return new SpawnFcgiError(`opening PID-file '${path}' failed: ${libc.strerror(errnoOf(error))}`, {
    cause: error,
    hints: errnoOf(error) === E.AGAIN ? [describeLease(path)] : [],
  });
}

function refuseWrite(number: number): SpawnFcgiError {
  return new SpawnFcgiError(`writing pid file failed: ${libc.strerror(number)}`);
}

function refuseIrregular(path: string): SpawnFcgiError {
  return new SpawnFcgiError(`PID-file exists and isn't regular file: '${path}'`);
}

function writeAll(descriptor: number, content: Buffer): void {
  for (let written = 0; written < content.length;) {
    written += writeSync(descriptor, content, written, content.length - written, written);
  }
}
