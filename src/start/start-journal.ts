// What a start has made so far, so that a start that fails leaves none of it:
// undone by ourselves where we may, else by the guard, who still is root.
import { resolve } from 'node:path';
import { adjustSocketFile, type Adjustment, type SocketFile } from '../sys/socket/socket-file.ts';
import type { PidFile } from '../sys/file/pid-file.ts';
import type { CreatedFile } from '../sys/file/held-file.ts';
import type { ProcFs } from '../sys/proc/proc-fs.ts';
import { removeUntold } from '../sys/process/undo-start.ts';
import type { Made, UndoGuard } from '../sys/process/undo-guard.ts';

interface Step {
  /** Returns false when we may not. */
  readonly undo: () => boolean;
}

export class StartJournal {
  readonly #steps: Step[] = [];
  readonly #noted: Made[] = [];
  #guard: UndoGuard | undefined;
  /** It has had its last word, and is about to end. */
  #dismissed: UndoGuard | undefined;
  readonly #adjustments: (() => boolean)[] = [];
  /** Where a socket file was being made, and nobody could say what became of it. */
  #binding: string | undefined;

  get guardPid(): number | undefined {
    return this.#guard?.pid;
  }

  /** From now on the guard learns of every step, and of those before. */
  setGuard(guard: UndoGuard): void {
    this.#guard = guard;
    this.#noted.forEach((made) => guard.note(made));
  }

  /** Records a file that was made, by its path as seen from outside a chroot. */
  made(path: string, identity: string, undo: () => boolean): void {
    this.#note({ path: resolve(path), identity }, undo);
  }

  /** The same for a PID file. */
  madePidFile({ absolutePath, identity }: PidFile, undo: () => boolean): void {
    this.#note({ path: absolutePath, identity, isPidFile: true }, undo);
  }

  /** The same for the file of --log, which stays once there are lines in it. */
  madeLog({ at, identity }: CreatedFile, undo: () => boolean): void {
    this.#note({ path: resolve(at.path), identity, isLog: true }, undo);
  }

  #note(made: Made, undo: () => boolean): void {
    this.#binding = undefined;
    this.#steps.push({ undo });
    this.#noted.push(made);
    this.#guard?.note(made);
  }

  /** A socket file is about to be made there, and `made` will follow; undefined: it was not. */
  binding(path: string | undefined): void {
    this.#binding = path;
    this.#guard?.noteBinding(path);
  }

  /** Records how to take back a change to something that was there before. */
  changed(restore: () => void): void {
    this.#steps.push({
      undo() {
        restore();
        return true;
      },
    });
  }

  /** Records what a file must become once the start has succeeded; changed by us where we may, else by the guard. */
  adjust(path: string, file: SocketFile, wanted: Adjustment): void {
    this.#adjustments.push(() => adjustSocketFile(file, wanted));
    this.#guard?.noteAdjustment({ path: resolve(path), identity: file.identity, ...wanted });
  }

  /** Workers will have this socket from now on. */
  inherited(inode: string): void {
    this.#guard?.noteWorker({ socket: inode });
  }

  /** A worker runs: should we be killed before the verdict, the guard ends it. */
  started(pid: number, proc: ProcFs | undefined): void {
    const startTime = this.#guard && proc?.stat(pid)?.startTime;
    if (startTime !== undefined) this.#guard?.noteWorker({ pid, startTime });
  }

  /** Should we be killed from now on, everything stays. */
  leave(): void {
    this.#guard?.leave();
  }

  /** The start failed: everything that was made goes, in reverse. */
  undo(): void {
    const binding = this.#binding;
    const untold: Step[] = binding === undefined ? [] : [{ undo: () => removeUntold(binding) }];
    const failures = [...this.#steps, ...untold].toReversed().filter((step) => !succeeds(step.undo));
    this.#binding = undefined;
    this.#steps.length = 0;
    if (failures.length > 0) this.#guard?.undo();
    else this.#guard?.keep(false);
    this.#dismissGuard();
    this.awaitGuard();
  }

  /** The start succeeded: everything stays. */
  keep(): void {
    this.#steps.length = 0;
    // Each of them, whatever becomes of another.
    const isAdjusted = this.#adjustments.map(succeeds).every(Boolean);
    this.#guard?.keep(!isAdjusted);
    this.#dismissGuard();
  }

  /** Whoever ends right after the verdict reaps the guard first. */
  awaitGuard(): void {
    this.#dismissed?.awaitEnd();
    this.#dismissed = undefined;
  }

  #dismissGuard(): void {
    this.#dismissed = this.#guard;
    this.#guard = undefined;
  }
}

/** A step that throws has failed, and keeps no other from being taken. */
function succeeds(step: () => boolean): boolean {
  try {
    return step();
  } catch {
    return false;
  }
}
