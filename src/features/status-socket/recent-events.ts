// The last events of a pool, for its page. Those of every day do not push out the others, and their texts are made only for
// who asks.
import { severityOf } from '../../core/text/event-severity.ts';
import { describeEvent } from '../../core/text/event-text.ts';
import type { PoolEvent } from '../../core/text/pool-event.ts';
import type { PageEvent } from './page/data.ts';

/** Of either kind. */
const kept = 25;
/** Some list a thousand processes. */
const textLength = 300;

interface Happened {
  readonly atMs: number;
  readonly event: PoolEvent;
}

export class RecentEvents {
  readonly #usual: Happened[] = [];
  readonly #others: Happened[] = [];

  add(atMs: number, event: PoolEvent): void {
    const list = severityOf(event) === 'info' ? this.#usual : this.#others;
    if (list.length === kept) list.shift();
    list.push({ atMs, event });
  }

  /** Oldest first. */
  list(nowMs: number): PageEvent[] {
    return [...this.#usual, ...this.#others]
      .sort((one, other) => one.atMs - other.atMs)
      .map(({ atMs, event }) => ({
        agoMs: Math.max(0, Math.round(nowMs - atMs)),
        severity: severityOf(event),
        text: shorten(describeEvent(event)),
      }));
  }
}

function shorten(text: string): string {
  return text.length <= textLength ? text : `${text.slice(0, textLength)}…`;
}
