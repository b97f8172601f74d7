// Removes what a start made when the start fails after privileges were dropped:
// a shell that still is root waits on a pipe for the verdict and, at end of file
// without one, runs us again with the list. It survives the command and the
// supervisor, SIGKILL included.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { openParent, removeIfSame, type NameAt } from './file-at.ts';
import { attempt, check, libc } from './libc.ts';
import { adjustSocketFile, type Adjustment } from './listen-socket.ts';
import { ProcessTemplate } from './spawn-worker.ts';

const O_CLOEXEC = 0o2000000;

/** Something a start made, by name and by what it is, to be removed only as that. */
export interface Made {
  readonly path: string;
  readonly identity: string;
}

/** The word that turns the guard away. */
const kept = 'keep';
/** The same, once a socket file has got the mode and owner of this start. */
const keptAdjusted = 'adjust';
export const undoArgument = '--undo-start';
export const adjustArgument = '--adjust-socket';

// Reads lines until the verdict; a JSON line cannot be the bare word.
const script = `made=
adjust=
while IFS= read -r line; do
  case $line in
    ${kept}) exit 0 ;;
    ${keptAdjusted}) printf '%s\n' "$adjust" | SPAWN_FCGI_GUARD=1 "$@" ${adjustArgument}; exit 0 ;;
    +*) adjust=\${line#+} ;;
    *) made="$made$line
" ;;
  esac
done
[ -z "$made" ] && exit 0
printf '%s' "$made" | SPAWN_FCGI_GUARD=1 "$@" ${undoArgument}`;

export class UndoGuard {
  readonly #pipe: number;
  readonly pid: number;

  private constructor(pipe: number, pid: number) {
    this.#pipe = pipe;
    this.pid = pid;
  }

  /** Starts the guard with today's privileges and root directory. */
  static start(nodePath: string, bundlePath: string): UndoGuard {
    const ends = Buffer.alloc(8);
    check('pipe2', () => libc.pipe2(ends, O_CLOEXEC));
    const [readEnd, writeEnd] = [ends.readInt32LE(0), ends.readInt32LE(4)];
    const nowhere = openSync('/dev/null', 'r+');
    const command = { path: '/bin/sh', argv: ['sh', '-c', script, 'spawn-fcgi-undo', nodePath, bundlePath] };
    const streams = { stdin: readEnd, stdout: nowhere, stderr: nowhere };
    const result = new ProcessTemplate(
      command,
      [Buffer.from('PATH=/usr/bin:/bin')],
      streams,
      undefined,
    ).spawn();
    closeSync(readEnd);
    closeSync(nowhere);
    if ('errno' in result) {
      closeSync(writeEnd);
      throw new Error(`cannot start the guard of this start: ${libc.strerror(result.errno)}`);
    }
    return new UndoGuard(writeEnd, result.pid);
  }

  /** Tells what was just made; called right after each step that made it. */
  note(made: Made): void {
    this.#tell(JSON.stringify(made));
  }

  /** What the socket file that was taken over must become when the start succeeds. */
  noteAdjustment(adjustment: Made & Adjustment): void {
    this.#tell(`+${JSON.stringify(adjustment)}`);
  }

  /** The start succeeded: nothing is to be undone; `adjusts` waits until mode and owner are set. */
  keep(adjusts: boolean): void {
    this.#tell(adjusts ? keptAdjusted : kept);
    closeSync(this.#pipe);
    if (adjusts) attempt(() => libc.waitpid(this.pid, null, 0));
  }

  /** The start failed: lets the guard do its work and waits for it. */
  undo(): void {
    closeSync(this.#pipe);
    attempt(() => libc.waitpid(this.pid, null, 0));
  }

  /** Somebody may have killed the guard: the start goes on, as 1.6 always does without one. */
  #tell(line: string): void {
    try {
      writeSync(this.#pipe, `${line}\n`);
    } catch {
      // EPIPE: nobody is there to undo anything.
    }
  }
}

/** The guard's work after a success: mode and owner of the socket file. */
export function adjustSocket(): void {
  const { path, identity, ...wanted } = JSON.parse(readFileSync(0, 'utf8')) as Made & Adjustment;
  adjustSocketFile({ at: openParent(path), identity }, wanted);
}

/** The guard's work, in the process that it started: removes what is still what was made. */
export function undoStart(): void {
  const list = readFileSync(0, 'utf8').split('\n').filter(Boolean);
  for (const line of list.toReversed()) {
    const { path, identity } = JSON.parse(line) as Made;
    let at: NameAt;
    try {
      at = openParent(path);
    } catch {
      continue;
    }
    removeIfSame(at, identity);
  }
}
