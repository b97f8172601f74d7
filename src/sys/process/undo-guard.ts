// Removes what a start made, and ends its workers, when the start fails after
// privileges were dropped: a shell that still is root waits on a pipe for the verdict
// and, at end of file without one, runs us again with the list (undo-start.ts). It survives the
// command and the supervisor, SIGKILL included.
import { openSync } from 'node:fs';
import { forkLimit, isForkError, SpawnFcgiError } from '../../core/errors.ts';
import { writeWithin } from '../file/bounded-write.ts';
import { O_CLOEXEC } from '../path/file-at.ts';
import { check, libc } from '../libc/libc.ts';
import { awaitChild } from './reaper.ts';
import type { Adjustment } from '../socket/socket-file.ts';
import { ProcessTemplate } from './spawn-worker.ts';

/** Something a start made, by name and by what it is, to be removed only as that. */
export interface Made {
  readonly path: string;
  readonly identity: string;
  /** Another start may have it by the time it is removed. */
  readonly isPidFile?: boolean;
  /** It stays once there are lines in it. */
  readonly isLog?: boolean;
}

/** A worker of the start: its session is ended if that still is its own. */
export interface StartedWorker {
  readonly pid: number;
  readonly startTime: string;
}

/** The socket that workers inherit, by its inode: tells workers that nobody could tell of any more. */
export interface Inherited {
  readonly socket: string;
}

/**
 * Where a socket file is being made; null: it was not. The last word only of who was killed between
 * bind(2) and the word of what was made.
 */
export interface Binding {
  readonly binding: string | null;
}

/** It may have workers to end; a guard that is stuck does not keep a start from its end. */
const guardPatienceMs = 10_000;
/** The word that turns the guard away. */
const kept = 'keep';
/** The same, once a socket file has got the mode and owner of this start. */
const keptAdjusted = 'adjust';
/** From now on nothing is undone at the end of file, but at the word only. */
const leaves = 'leave';
const undone = 'undo';
export const undoArgument = '--undo-start';
export const adjustArgument = '--adjust-socket';

// Reads lines until the verdict; a JSON line cannot be the bare word.
const script = `made=
adjust=
left=
while IFS= read -r line; do
  case $line in
    ${kept}) exit 0 ;;
    ${leaves}) left=yes ;;
    ${undone}) left=; break ;;
    ${keptAdjusted}) printf '%s' "$adjust" | SPAWN_FCGI_GUARD=1 "$@" ${adjustArgument}; exit 0 ;;
    +*) adjust="$adjust\${line#+}
" ;;
    *) made="$made$line
" ;;
  esac
done
{ [ -n "$left" ] || [ -z "$made" ]; } && exit 0
printf '%s' "$made" | SPAWN_FCGI_GUARD=1 "$@" ${undoArgument}`;

export class UndoGuard {
  readonly #pipe: number;
  readonly pid: number;

  private constructor(pipe: number, pid: number) {
    this.#pipe = pipe;
    this.pid = pid;
  }

  /**
   * Starts the guard with today's privileges and root directory. It holds the pool's lock with us: what it
   * removes must not be the next start's by then. `nodeCommand` runs us again.
   */
  static start(nodeCommand: readonly string[], lock: number | undefined): UndoGuard {
    const ends = Buffer.alloc(8);
    check('pipe2', () => libc.pipe2(ends, O_CLOEXEC));
    const [readEnd, writeEnd] = [ends.readInt32LE(0), ends.readInt32LE(4)];
    const nowhere = openSync('/dev/null', 'r+');
    const command = { path: '/bin/sh', argv: ['sh', '-c', script, 'spawn-fcgi-undo', ...nodeCommand] };
    // It has three descriptors, and prints nothing.
    const streams = { stdin: readEnd, stdout: lock ?? nowhere, stderr: nowhere };
    const result = new ProcessTemplate(
      command,
      [Buffer.from('PATH=/usr/bin:/bin')],
      streams,
      undefined,
    ).spawn();
    libc.close(readEnd);
    libc.close(nowhere);
    if ('errno' in result) {
      libc.close(writeEnd);
      throw refuse(result.errno);
    }
    return new UndoGuard(writeEnd, result.pid);
  }

  /** Tells what was just made; called right after each step that made it. */
  note(made: Made): void {
    this.#tell(JSON.stringify(made));
  }

  /** Tells where a socket file will be in a moment; undefined: it could not be made. */
  noteBinding(path: string | undefined): void {
    this.#tell(JSON.stringify({ binding: path ?? null } satisfies Binding));
  }

  /** Tells of a worker that was just started, or of the socket that the next ones inherit. */
  noteWorker(worker: StartedWorker | Inherited): void {
    this.#tell(JSON.stringify(worker));
  }

  /** What the socket file that was taken over must become when the start succeeds. */
  noteAdjustment(adjustment: Made & Adjustment): void {
    this.#tell(`+${JSON.stringify(adjustment)}`);
  }

  /** The start succeeded: nothing is to be undone; `adjusts` waits until mode and owner are set. */
  keep(adjusts: boolean): void {
    this.#tell(adjusts ? keptAdjusted : kept);
    libc.close(this.#pipe);
    if (adjusts) this.awaitEnd();
  }

  /** For a process that is about to end: whoever inherited the guard might not reap it. */
  awaitEnd(): void {
    awaitChild(this.pid, guardPatienceMs);
  }

  /** Our workers are about to be the only ones: should we be killed, they serve on. */
  leave(): void {
    this.#tell(leaves);
  }

  /** The start failed: lets the guard do its work and waits for it. */
  undo(): void {
    this.#tell(undone);
    libc.close(this.#pipe);
    this.awaitEnd();
  }

  /** Somebody may have killed the guard: the start goes on, as 1.6 always does without one. */
  #tell(line: string): void {
    writeWithin(this.#pipe, Buffer.from(`${line}\n`), guardPatienceMs);
  }
}

function refuse(errno: number): SpawnFcgiError {
  const call = isForkError(errno) ? 'fork' : 'exec';
  return new SpawnFcgiError(`${call} failed: ${libc.strerror(errno)}`, {
    hints: [
      `a start with -u needs a process, /bin/sh, that undoes it should it fail: ${isForkError(errno) ? forkLimit(errno) : 'see /bin/sh'}`,
    ],
  });
}
