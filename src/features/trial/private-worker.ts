// One worker beside the pool, on a socket that nobody else can reach: for a trial, or for what its program has to
// say. Judges nothing.
import type { Roster } from '../../core/pool/roster.ts';
import type { WhyLeft } from '../../core/text/left-process.ts';
import type { WorkerExit } from '../../core/worker-exit.ts';
import { keptBytes, lastWords } from '../../sys/log/last-words.ts';
import type { Evidence, Sessions } from '../../core/machine.ts';
import { libc } from '../../sys/libc/libc.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import { OutputTail } from '../../sys/log/output-tail.ts';
import { isNonBlocking } from '../../sys/socket/non-blocking.ts';
import { listenPrivately, type PrivateSocket } from '../../sys/connection/private-socket.ts';
import type { SpawnResult, Streams } from '../../sys/process/spawn-worker.ts';

export interface PrivateWorkerOptions {
  readonly roster: Pick<Roster, 'add' | 'leaveTrial'>;
  readonly spawnOn: (generation: number, streams: Partial<Streams>) => SpawnResult;
  readonly poolSocket: ListenSocket;
  readonly sessions: Pick<Sessions, 'signalWorkers' | 'isOver' | 'signalLeftovers' | 'leftovers'>;
  readonly evidenceOn: (pid: number, socket: Pick<ListenSocket, 'descriptor' | 'inode'>) => Evidence;
  /** What workers print is discarded: this one's is read. Where somebody sees it, it is not taken away from them. */
  readonly isOutputDiscarded: () => boolean;
  /** The result is what it has said since, where that can be read. */
  readonly listen: () => () => string[];
  /** Hears all that it prints, which goes nowhere else then; a view that must not be kept. */
  readonly hear?: (chunk: Buffer) => void;
  /** Hears of the worker's socket before it has a worker: the next start must find that, should we be killed. */
  readonly onSocket: (inode: string | undefined) => void;
}

/** Hears of its end, whenever that is. */
export type OnEnd = (worker: PrivateWorker, exit: WorkerExit) => void;

export class PrivateWorker {
  readonly pid: number;
  readonly startedAtMs = performance.now();
  readonly #options: PrivateWorkerOptions;
  readonly #socket: PrivateSocket;
  readonly #output: OutputTail | (() => string[]);
  #isOver: boolean | undefined;

  private constructor(
    options: PrivateWorkerOptions,
    socket: PrivateSocket,
    output: OutputTail | (() => string[]),
    pid: number,
  ) {
    this.#options = options;
    this.#socket = socket;
    this.#output = output;
    this.pid = pid;
  }

  /** Starts it, or tells the errno of its program; throws when there can be no socket. `connects`: see `connection`. */
  static start(
    options: PrivateWorkerOptions,
    generation: number,
    connects: boolean,
    onEnd: OnEnd,
  ): PrivateWorker | { readonly errno: number } {
    const output = openOutput(options);
    const heard = options.listen();
    let socket: PrivateSocket;
    try {
      socket = listenPrivately(options.poolSocket.descriptor, connects);
    } catch (error) {
      output?.end();
      throw error;
    }
    const giveBack = (): void => {
      output?.end();
      options.onSocket(undefined);
      libc.close(socket.descriptor);
      if (socket.connection !== undefined) libc.close(socket.connection);
    };
    try {
      options.onSocket(socket.inode);
      const outputs = output && { stdout: output.writeEnd, stderr: output.writeEnd };
      const result = options.spawnOn(generation, { stdin: socket.descriptor, ...outputs });
      if ('pid' in result) {
        output?.follow();
        const worker = new PrivateWorker(options, socket, output ?? heard, result.pid);
        const { pid, startedAtMs } = worker;
        const hear = (exit: WorkerExit): void => onEnd(worker, exit);
        options.roster.add({ role: 'trial', pid, generation, startedAtMs, onEnd: hear });
        return worker;
      }
      giveBack();
      return result;
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  get ageMs(): number {
    return performance.now() - this.startedAtMs;
  }

  /** A connection that waits in its queue, where it was asked for. */
  get connection(): number | undefined {
    return this.#socket.connection;
  }

  evidence(): Evidence {
    return this.#options.evidenceOn(this.pid, this.#socket);
  }

  /** Whether its program has made the socket non-blocking, which the pool's is not. */
  get breaksBlocking(): boolean {
    return isNonBlocking(this.#socket.descriptor) && !isNonBlocking(this.#options.poolSocket.descriptor);
  }

  /** False: it may not be signalled. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): boolean {
    return this.#options.sessions.signalWorkers([this.pid], signal).length === 0;
  }

  /** Nobody waits for its end any more. */
  leave(why: WhyLeft): void {
    this.#options.roster.leaveTrial(this.pid, why);
  }

  /** It has ended just now, or is looked at again; what it left of its session must not stay. */
  endLeftovers(): void {
    const { sessions } = this.#options;
    this.#isOver ??= sessions.isOver(this.pid);
    if (!this.#isOver) sessions.signalLeftovers([this.pid], 'SIGKILL');
  }

  get hasLeftovers(): boolean {
    return this.#options.sessions.leftovers([this.pid]).members.length > 0;
  }

  /** Gives everything back; the result is what it said last. */
  forget(): string[] {
    libc.close(this.#socket.descriptor);
    this.#options.onSocket(undefined);
    return typeof this.#output === 'function' ? this.#output() : lastWords(this.#output.end());
  }
}

function openOutput({ hear, isOutputDiscarded }: PrivateWorkerOptions): OutputTail | undefined {
  return hear || isOutputDiscarded() ? new OutputTail(keptBytes, hear) : undefined;
}
