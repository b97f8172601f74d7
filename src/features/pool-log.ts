// What the pool says of itself, to its log and to who waits at the control socket.
import type { PoolStatus } from '../control/protocol.ts';
import type { PoolEvent } from '../core/text/pool-event.ts';
import type { Feature } from './feature.ts';
import type { LogPlace } from '../core/log-target.ts';
import type { Clock, EventLog } from '../core/machine.ts';
import { PlannedExits } from '../supervisor/planned-exits.ts';
import type { FeatureList } from './feature-list.ts';
import type { PreparedPool } from '../start/prepared-pool.ts';

/** Nothing is planned any more behind these. */
const endings: ReadonlySet<PoolEvent['event']> = new Set(['stopping', 'handed-over', 'start-limit-reached']);

/** Where workers recycle themselves often, these come as often. */
const companions: ReadonlySet<PoolEvent['event']> = new Set(['spare-ready', 'spare-taken']);

export interface PoolLogOptions {
  readonly prepared: Pick<PreparedPool, 'log' | 'logPlace' | 'address' | 'config'>;
  readonly features: Pick<FeatureList, 'happened' | 'said'>;
  readonly clock: Clock;
}

export class PoolLog implements EventLog, Feature {
  readonly name = 'log';
  readonly #options: PoolLogOptions;
  readonly #planned: PlannedExits;

  constructor(options: PoolLogOptions) {
    this.#options = options;
    this.#planned = new PlannedExits(options.clock, (event) => this.#say(event));
  }

  /** Where it is found: also for who looks when the supervisor does not answer any more. */
  remembers(): LogPlace {
    return this.#options.prepared.logPlace;
  }

  describe(): Partial<PoolStatus> {
    return { log: this.#options.prepared.logPlace };
  }

  serving(): void {
    const { address, config } = this.#options.prepared;
    this.write({ event: 'pool-up', address, workers: config.workers });
  }

  release(wasUp: boolean): void {
    if (wasUp) this.write({ event: 'stopped' });
  }

  write(event: PoolEvent): void {
    this.#options.features.happened(event);
    if (event.event === 'worker-ended' && event.class === 'planned') return this.#planned.note(event);
    if (companions.has(event.event) && this.#planned.isSumming) return;
    if (endings.has(event.event)) this.#planned.flush();
    this.#say(event);
  }

  #say(event: PoolEvent): void {
    this.#options.prepared.log.write(event);
    this.#options.features.said(event);
  }

  /** Never throws: a log that cannot be opened anew stays the old one. */
  reopen(): void {
    try {
      this.#options.prepared.log.reopen();
      this.write({ event: 'logs-reopened' });
    } catch (error) {
      const message = `logs not reopened, the old file stays in use: ${(error as Error).message}`;
      this.write({ event: 'warning', message });
    }
  }
}
