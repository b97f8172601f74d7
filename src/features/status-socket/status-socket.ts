// --status-socket: the supervisor answers there while it has the pool (docs/monitoring.md). Nothing happens while nobody asks.
import { countActive, type PoolFigures } from '../../control/metrics/pool-figures.ts';
import { measureUsage } from '../../control/metrics/measure-usage.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import type { EventLog } from '../../core/machine.ts';
import { duplicate } from '../../sys/connection/descriptor-passing.ts';
import { libc } from '../../sys/libc/libc.ts';
import { removeIfSame } from '../../sys/path/file-at.ts';
import { systemClock } from '../../sys/process/clock.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { standingOf } from '../../sys/socket/socket-file.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { Gift } from '../../start/source/handover-lines.ts';
import { statusSocketFeature, type StatusSocket } from '../../start/steps/open-status-socket.ts';
import type { PoolView } from '../control/pool-view.ts';
import type { Feature } from '../feature.ts';
import type { FeatureList } from '../feature-list.ts';
import { StatusAnswers } from './status-answers.ts';
import { StatusServer } from './status-server.ts';

/** The end of a pool is not for somebody to hold up. */
const farewellMs = 200;

interface Surroundings {
  readonly view: Pick<PoolView, 'status'>;
  /** Told of each look: it takes memory, which is given back some time after the last one. */
  readonly features: Pick<FeatureList, 'happened'>;
  readonly log: EventLog;
}

interface StatusSocketOptions extends Surroundings {
  readonly statusSocket: StatusSocket;
  readonly proc: ProcFs | undefined;
}

/** None without --status-socket. */
export function statusSocketOf(
  { statusSocket, proc }: Pick<PreparedPool, 'statusSocket' | 'proc'>,
  surroundings: Surroundings,
): Feature[] {
  return statusSocket ? [new StatusSocketFeature({ statusSocket, proc, ...surroundings })] : [];
}

class StatusSocketFeature implements Feature {
  readonly name = statusSocketFeature;
  readonly #options: StatusSocketOptions;
  #server: StatusServer | undefined;
  #peaks: NonNullable<PoolStatus['peaks']> | undefined;
  /** Socket and file are another supervisor's, or given back. */
  #isOver = false;
  #hasFailed = false;

  constructor(options: StatusSocketOptions) {
    this.#options = options;
  }

  gives(): Pick<Gift, 'descriptors'> {
    return { descriptors: [this.#options.statusSocket.socket.descriptor] };
  }

  /** It was looked at in time, while this process still had its rights. */
  takes({ descriptors }: Gift): void {
    const { socket } = this.#options.statusSocket;
    for (const descriptor of descriptors) if (descriptor !== socket.descriptor) libc.close(descriptor);
  }

  /** Should we be killed, spawn-fcgictl stop removes the file. */
  remembers(): { readonly path: string; readonly identity: string } | undefined {
    const { socket, address } = this.#options.statusSocket;
    return socket.file && { path: address, identity: socket.file.identity };
  }

  holds(): string[] {
    const { file } = this.#options.statusSocket.socket;
    return file ? [file.identity] : [];
  }

  serving(): void {
    const { statusSocket } = this.#options;
    const answers = new StatusAnswers({
      look: () => this.#look(),
      clock: systemClock,
      report: (error) => this.#noteFailure(error),
    });
    // On a copy: a handover gives the socket away, and it may come back.
    this.#server = new StatusServer(duplicate(statusSocket.socket.descriptor), systemClock, ({ params }) =>
      answers.answer(params),
    );
  }

  /** The new supervisor has the file, or it is of no use to anybody. */
  handedOver(taken: readonly string[]): void {
    const { file } = this.#options.statusSocket.socket;
    const isTaken = file === undefined || taken.includes(file.identity);
    this.#server?.leave();
    this.#giveBack(!isTaken);
  }

  release(): void {
    this.#server?.close();
    this.#giveBack(true);
  }

  /** A question that was taken is answered, by whoever took it. */
  farewell(done: () => void): void {
    if (this.#server) this.#server.whenAnswered(farewellMs, done);
    else done();
  }

  describe(): Partial<PoolStatus> {
    const { address, socket } = this.#options.statusSocket;
    const file = socket.file ? standingOf(socket.file) : null;
    return { statusSocket: { address, file }, ...(this.#peaks ? { peaks: this.#peaks } : {}) };
  }

  #giveBack(removes: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { file, descriptor } = this.#options.statusSocket.socket;
    if (file && removes) removeIfSame(file.at, file.identity);
    libc.close(descriptor);
  }

  #look(): PoolFigures {
    const { view, features, proc } = this.#options;
    features.happened();
    const status = view.status();
    const { queue = 0, active = 0 } = this.#peaks ?? {};
    this.#peaks = {
      queue: Math.max(queue, status.queue?.length ?? 0),
      active: Math.max(active, countActive(status)),
    };
    return {
      status: { ...status, peaks: this.#peaks },
      usage: measureUsage((path) => proc?.readText(path), status),
      nowSeconds: Date.now() / 1000,
    };
  }

  /** Once: whoever asks may ask often. */
  #noteFailure({ message }: Error): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.log.write({ event: 'warning', message: `status socket: ${message}` });
  }
}
