// Who has left the session of a worker and keeps the listening socket: told of once, and ended with the generation.
import type { EventLog, HolderLook, SocketHolder, SocketHolders } from '../../core/machine.ts';

export interface StraysOptions {
  readonly holders: SocketHolders;
  readonly log: EventLog;
  readonly slotOf: (worker: number) => number | undefined;
}

export class Strays {
  readonly #options: StraysOptions;
  readonly #told = new Set<string>();
  /** Those that were there before the first worker of a new generation. */
  #old: ReadonlySet<string> | undefined;

  constructor(options: StraysOptions) {
    this.#options = options;
  }

  /** Where nobody is left but orphans, or only those matter. `end`: before they are told of, since we may be killed over that. */
  amongOrphans(end?: (holders: readonly SocketHolder[]) => void): HolderLook {
    const look = this.#options.holders.amongOrphans();
    end?.(look.holders);
    return this.#tell(look);
  }

  amongAll(): HolderLook {
    return this.#tell(this.#options.holders.amongAll());
  }

  /** A worker of another generation is about to be started, the first one or a further one. */
  beforeNewGeneration(): void {
    this.#old ??= new Set(this.amongAll().holders.map(nameOf));
  }

  /** The new generation is complete, or is given up: those of the old one. Of who came in between nobody knows whose it is. */
  afterNewGeneration(): readonly SocketHolder[] {
    const old = this.#old;
    this.#old = undefined;
    return old ? this.amongAll().holders.filter((holder) => old.has(nameOf(holder))) : [];
  }

  #tell(look: HolderLook): HolderLook {
    for (const holder of look.holders) {
      if (this.#told.has(nameOf(holder))) continue;
      this.#told.add(nameOf(holder));
      const { pid, name, worker } = holder;
      const slot = worker === undefined ? undefined : this.#options.slotOf(worker);
      this.#options.log.write({
        event: 'socket-held',
        holder: pid,
        name,
        ...(slot === undefined ? {} : { slot }),
      });
    }
    return look;
  }
}

function nameOf({ pid, startTime }: SocketHolder): string {
  return `${pid}:${startTime}`;
}
