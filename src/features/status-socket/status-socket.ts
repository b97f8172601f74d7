// --status-socket: the supervisor answers there while it has the pool (docs/monitoring.md). Nothing happens while nobody asks.
import { countActive, type PoolFigures } from '../../control/metrics/pool-figures.ts';
import { measureUsage } from '../../control/metrics/measure-usage.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import type { EventLog, Spawner } from '../../core/machine.ts';
import type { PoolEvent } from '../../core/text/pool-event.ts';
import { printable } from '../../core/text/printable.ts';
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
import { describeForPage } from './page-data.ts';
import { PageFile } from './page-file.ts';
import { RecentEvents } from './recent-events.ts';
import { RecentLooks } from './recent-looks.ts';
import { StatusAnswers } from './status-answers.ts';
import { readableFacts } from './status-formats.ts';
import { StatusServer } from './status-server.ts';

/** The end of a pool is not for somebody to hold up. */
const farewellMs = 200;

interface Surroundings {
  readonly view: Pick<PoolView, 'status'>;
  /** Told of each look: it takes memory, which is given back some time after the last one. */
  readonly features: Pick<FeatureList, 'happened'>;
  readonly log: EventLog;
  readonly spawner: Pick<Spawner, 'pathOf'>;
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
  readonly #page: PageFile;
  readonly #looks = new RecentLooks();
  readonly #events = new RecentEvents();
  /** Socket and file are another supervisor's, or given back. */
  #isOver = false;
  #hasFailed = false;
  #cpuMs = 0;

  constructor(options: StatusSocketOptions) {
    this.#options = options;
    this.#page = new PageFile(options.statusSocket.page);
  }

  said(event: PoolEvent): void {
    this.#events.add(systemClock.nowMs(), event);
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
      page: { text: () => this.#page.read(), data: (figures) => this.#describe(figures) },
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
    const seen = {
      queue: status.queue?.length,
      active: countActive(status),
      up: status.workers.filter(({ state }) => state === 'running').length,
    };
    this.#looks.add(systemClock.nowMs(), seen);
    const { queue = 0, active = 0 } = this.#peaks ?? {};
    this.#peaks = { queue: Math.max(queue, seen.queue ?? 0), active: Math.max(active, seen.active) };
    const usage = measureUsage((path) => proc?.readText(path), status);
    // What a child has used whom nobody waits for is gone with it, and a counter that falls has begun anew for who reads it.
    this.#cpuMs = Math.max(this.#cpuMs, usage.cpuMs ?? 0);
    return {
      status: { ...status, peaks: this.#peaks },
      usage: { ...usage, cpuMs: usage.cpuMs === undefined ? undefined : this.#cpuMs },
      nowSeconds: Date.now() / 1000,
    };
  }

  /**
   * Paths, events and what the program said last may have secrets in them: who is let in by the mode of a file may read
   * them, who reaches a port may not.
   */
  #describe(figures: PoolFigures): string {
    const { statusSocket, spawner } = this.#options;
    const nowMs = systemClock.nowMs();
    const inside = {
      release: printable(spawner.pathOf(figures.status.generation)),
      events: this.#events.list(nowMs),
    };
    const data = describeForPage(figures, {
      page: this.#page.read()?.id ?? '',
      looks: this.#looks.list(nowMs),
      figures: readableFacts(figures),
      inside: statusSocket.socket.file && inside,
    });
    return JSON.stringify(data);
  }

  /** Once: whoever asks may ask often. */
  #noteFailure({ message }: Error): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.log.write({ event: 'warning', message: `status socket: ${message}` });
  }
}
