// The shell that is the command (bin/spawn-fcgi) and waits for this process: its
// status goes out through descriptor 4, its end is seen in /proc.
import { closeSync, writeSync } from 'node:fs';
import { F_DUPFD } from '../libc/fcntl-numbers.ts';
import { attempt, check, libc } from '../libc/libc.ts';
import { poll, POLLIN } from '../libc/poll.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { unreadBytes } from '../socket-state/socket-facts.ts';
import { openProcess } from './pidfd.ts';

const statusDescriptor = 4;

/** The command's process, held so that its end can be seen also when /proc hides it after the drop of privileges. */
export class Front {
  readonly #proc: ProcFs;
  readonly #pid: number;
  readonly #startTime: string | undefined;
  /** A pidfd; negative: none. */
  readonly #handle: number;

  constructor(proc: ProcFs, pid: number) {
    this.#proc = proc;
    this.#pid = pid;
    this.#startTime = proc.stat(pid)?.startTime;
    this.#handle = openProcess(pid);
  }

  /** Whether it was ended, by whatever signal; nobody need have waited for it yet. */
  isGone(): boolean {
    if (this.#handle >= 0) return poll(this.#handle, POLLIN) !== 0;
    return !this.#proc.isAlive({ pid: this.#pid, startTime: this.#startTime });
  }

  /** The descriptor is of no use once the command has been told. */
  release(): void {
    if (this.#handle >= 0) libc.close(this.#handle);
  }
}

/** Gives the command its exit status and ends it; nothing to do when it is gone. */
export function tellFront(status: number): void {
  writeLine(String(status));
  letFrontGo();
}

/**
 * Tells the command that the pool is up, without a verdict: the start can still be undone.
 * The command acts on the last line, at end of file.
 */
export function tellFrontUp(): boolean {
  return writeLine('up');
}

/**
 * The verdict, for the command to print (a reader that does not read must not block a
 * supervisor). From here on nothing undoes the start.
 */
export function tellFrontSuccess(pid: number): void {
  writeLine(`0 ${pid}`);
}

function writeLine(line: string): boolean {
  try {
    writeSync(statusDescriptor, `${line}\n`);
    return true;
  } catch {
    return false;
  }
}

/** Whether the command has read what it was told: from then on only its own exit is left. */
export function hasFrontRead(): boolean {
  // Where the kernel does not tell, nobody would ever be told either.
  return (unreadBytes(statusDescriptor) ?? 0) === 0;
}

/** Ends the command with the status that it was told. */
export function letFrontGo(): void {
  try {
    closeSync(statusDescriptor);
  } catch {
    // Told twice: an error while a first one was on its way out. Not by libc, which may be what is missing.
  }
}

const mostTries = 10;

/**
 * Lets go of the caller's standard streams, for which he may wait. Where the kernel does not put another in their place
 * (dup(2), EBUSY) they are closed first.
 */
export function leaveStreams(nowhere: number): void {
  for (const stream of [0, 1, 2]) {
    let tries = 1;
    while (attempt(() => libc.dup2(nowhere, stream)) < 0 && tries < mostTries) tries++;
    if (tries < mostTries) continue;
    libc.close(stream);
    // The lowest that is free.
    attempt(() => libc.fcntl(nowhere, F_DUPFD, 'int', stream));
  }
}

/** A session of our own without a terminal. */
export function leaveSession(): void {
  check('setsid', () => libc.setsid());
}
