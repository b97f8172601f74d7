// What the pool says of itself, to its log and to who waits at the control socket.
import { describeEvent, type PoolEvent } from '../core/event-text.ts';
import type { Clock, EventLog } from '../supervisor/interfaces.ts';
import { PlannedExits } from '../supervisor/planned-exits.ts';

/** Nothing is planned any more behind these. */
const endings: ReadonlySet<PoolEvent['event']> = new Set(['stopping', 'handed-over', 'start-limit-reached']);

export interface PoolLogOptions {
  readonly log: EventLog;
  readonly tell: (text: string) => void;
  /** Hears of each, also of those that are only counted. */
  readonly onEvent: () => void;
  readonly clock: Clock;
}

export class PoolLog implements EventLog {
  readonly #options: PoolLogOptions;
  readonly #planned: PlannedExits;

  constructor(options: PoolLogOptions) {
    this.#options = options;
    this.#planned = new PlannedExits(options.clock, (event) => this.#say(event));
  }

  write(event: PoolEvent): void {
    this.#options.onEvent();
    if (event.event === 'worker-ended' && event.class === 'planned') return this.#planned.note(event);
    if (endings.has(event.event)) this.#planned.flush();
    this.#say(event);
  }

  #say(event: PoolEvent): void {
    this.#options.log.write(event);
    this.#options.tell(describeEvent(event));
  }

  /** Never throws: a log that cannot be opened anew stays the old one. */
  reopen(): void {
    try {
      this.#options.log.reopen();
      this.write({ event: 'logs-reopened' });
    } catch (error) {
      const message = `logs not reopened, the old file stays in use: ${(error as Error).message}`;
      this.write({ event: 'warning', message });
    }
  }
}
