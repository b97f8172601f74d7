// PID files: opened while privileged, written in place once the pool is up, removed at the
// end, or made to name nobody. Never renamed, never through a symbolic link, never emptied
// by a start that fails.
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { noProcess } from '../../core/no-process.ts';
import { lookTwice, padWithNewlines, removeIfSame, statAt, type NameAt } from '../path/file-at.ts';
import { E, libc } from '../libc/libc.ts';
import { getFileSizeLimit } from '../process/resource-limit.ts';
import {
  closePidFile,
  findPidFile,
  longestContent,
  openPidFile,
  type OpenedPidFile,
} from './open-pid-file.ts';
import { reserveRoom } from './reserve-room.ts';
import { removeUnheld } from './shared-file.ts';

/** More than any PID list of a supervised pool; asks the disk for a block. */
const reservedBytes = 64;

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

  private constructor({ at, descriptor, identity, wasCreated }: OpenedPidFile) {
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
    const file = findPidFile(path);
    return file && new PidFile(file);
  }

  /** Opens or creates the file (0644 & ~umask); throws 1.6's refusal. Changes nothing in an existing file. */
  static open(path: string): PidFile {
    return new PidFile(openPidFile(path));
  }

  /** The one PID that it holds; undefined without one. */
  get pid(): number | undefined {
    const pid = Number(this.#readText());
    return Number.isInteger(pid) && pid > 0 && pid < noProcess ? pid : undefined;
  }

  /** Lets go of a file that was not touched. */
  close(): void {
    closePidFile({ at: this.at, descriptor: this.#descriptor });
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
    const failure =
      getFileSizeLimit() < reservedBytes ? E.FBIG : reserveRoom(this.#descriptor, reservedBytes);
    if (failure !== undefined) throw refuseWrite(failure);
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
    if (content.length === 0) reserveRoom(this.#descriptor, reservedBytes);
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
    const text = lookTwice(() => this.#readText());
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

function refuseWrite(number: number): SpawnFcgiError {
  return new SpawnFcgiError(`writing pid file failed: ${libc.strerror(number)}`);
}

function writeAll(descriptor: number, content: Buffer): void {
  for (let written = 0; written < content.length;) {
    written += writeSync(descriptor, content, written, content.length - written, written);
  }
}
