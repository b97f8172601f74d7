// What a worker that crashed has printed is gone, where nobody asked for it to be kept: told once a pool.
import type { EventLog } from '../../core/machine.ts';
import type { PoolEvent } from '../../core/text/pool-event.ts';
import type { Feature } from '../feature.ts';

export class DiscardNote implements Feature {
  readonly #log: Pick<EventLog, 'write'>;
  #isTold = false;

  constructor(log: Pick<EventLog, 'write'>) {
    this.#log = log;
  }

  said(event: PoolEvent): void {
    if (this.#isTold || event.event !== 'worker-ended' || event.class === 'planned') return;
    this.#isTold = true;
    this.#log.write({ event: 'output-discarded', slot: event.slot, workerPid: event.workerPid });
  }
}
