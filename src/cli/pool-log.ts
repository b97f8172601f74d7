// What the pool says of itself, to its log and to who waits at the control socket.
import { describeEvent, type PoolEvent } from '../core/event-text.ts';
import type { EventLog } from '../supervisor/interfaces.ts';

export interface PoolLogOptions {
  /** Undefined: nobody wants one. */
  readonly log: EventLog | undefined;
  readonly tell: (text: string) => void;
  readonly onOperationEnd: () => void;
}

export class PoolLog implements EventLog {
  readonly #options: PoolLogOptions;

  constructor(options: PoolLogOptions) {
    this.#options = options;
  }

  write(event: PoolEvent): void {
    this.#options.log?.write(event);
    this.#options.tell(describeEvent(event));
    if (event.event === 'reload-finished' || event.event === 'restart-finished') {
      this.#options.onOperationEnd();
    }
  }

  /** Never throws: a log that cannot be opened anew stays the old one. */
  reopen(): void {
    try {
      this.#options.log?.reopen();
      this.write({ event: 'logs-reopened' });
    } catch (error) {
      const message = `logs not reopened, the old file stays in use: ${(error as Error).message}`;
      this.write({ event: 'warning', message });
    }
  }
}
