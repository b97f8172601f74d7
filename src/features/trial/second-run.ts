// Why a start failed, in the program's own words: where its output was discarded it runs once more, on a socket that
// nobody can reach, with its output on a pipe. For a start whose first worker has ended by itself, and no other.
import { quote } from '../../core/text/quote-words.ts';
import type { WorkerEnd } from '../../core/worker-exit.ts';
import { PrivateWorker, type PrivateWorkerOptions } from './private-worker.ts';

const longestMs = 2000;
const lookMs = 20;
/** After KILL; longer than this is a process that we may not end, or that the kernel does not let go. */
const afterKillMs = 500;
const leftoverLookMs = 2;
/** Somebody, and nothing in the program, has ended it. */
const askedToEnd: ReadonlySet<number> = new Set([1, 2, 3, 9, 15]);

/** Whether a program that ended like this may have something to say, and nothing against a second run. */
export function mayRunAgain(end: WorkerEnd): boolean {
  if (end.kind === 'not-executed') return false;
  // A program that has put itself into the background must not do so twice.
  return end.kind === 'exited' ? end.status !== 0 : !askedToEnd.has(end.signal);
}

interface Run {
  readonly worker: PrivateWorker;
  readonly done: (hints: string[]) => void;
  timer: NodeJS.Timeout | undefined;
  hasEndedItself: boolean;
  isWanted: boolean;
}

export class SecondRun {
  readonly #options: PrivateWorkerOptions;
  #run: Run | undefined;

  constructor(options: PrivateWorkerOptions) {
    this.#options = options;
  }

  /** Tells hints with the last words, once every process of the run is gone. Must not throw: the start has failed for another reason. */
  begin(generation: number, done: (hints: string[]) => void): void {
    let worker: ReturnType<typeof PrivateWorker.start>;
    try {
      worker = PrivateWorker.start(this.#options, generation, false, (ended) => this.#noteEnd(ended));
    } catch {
      // No private socket, as in a chroot without /tmp.
      return done([]);
    }
    if ('errno' in worker) return done([]);
    this.#run = { worker, done, timer: undefined, hasEndedItself: true, isWanted: true };
    this.#look(this.#run);
  }

  /** Whoever waits is gone: ends the run, which tells so when it is over. */
  cancel(): void {
    if (!this.#run) return;
    this.#run.isWanted = false;
    this.#kill(this.#run);
  }

  #noteEnd(worker: PrivateWorker): void {
    const run = this.#run;
    if (run?.worker !== worker) return;
    clearTimeout(run.timer);
    this.#finish(run, performance.now() + afterKillMs);
  }

  #look(run: Run): void {
    // What waits for connections has no more to say.
    if (run.worker.ageMs >= longestMs || run.worker.evidence() === 'yes') this.#kill(run);
    else run.timer = setTimeout(() => this.#look(run), lookMs);
  }

  #kill(run: Run): void {
    clearTimeout(run.timer);
    run.hasEndedItself = false;
    const why = run.worker.signal('SIGKILL') ? 'stuck' : 'refused';
    run.timer = setTimeout(() => {
      run.worker.leave(why);
      this.#conclude(run);
    }, afterKillMs);
  }

  #finish(run: Run, deadlineMs: number): void {
    run.worker.endLeftovers();
    if (!run.worker.hasLeftovers || performance.now() >= deadlineMs) this.#conclude(run);
    else run.timer = setTimeout(() => this.#finish(run, deadlineMs), leftoverLookMs);
  }

  #conclude(run: Run): void {
    if (this.#run !== run) return;
    clearTimeout(run.timer);
    this.#run = undefined;
    const words = run.worker.forget();
    run.done(run.isWanted ? describeWords(words, run.hasEndedItself) : []);
  }
}

function describeWords(words: readonly string[], hasEndedItself: boolean): string[] {
  if (!hasEndedItself) return quote('run once more, the program did not end', words);
  return words.length === 0 ? [] : quote('run once more, the program said', words);
}
