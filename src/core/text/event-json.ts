// An event as the JSON object that programs read (docs/events.md). What is there stays what it is: new fields may come,
// and a change of old ones takes another version.
import { severityOf } from './event-severity.ts';
import type { PoolEvent } from './pool-event.ts';

const eventVersion = 1;

/** Whose events they are. */
export interface EventSource {
  /** The pool's. */
  readonly name: string;
  /** A path, or an IP address with its port. */
  readonly address: string;
  /** The supervisor's. */
  readonly pid: number;
}

/** `time`: undefined where whoever takes it has one of his own. */
export function eventFacts(event: PoolEvent, source: EventSource, time: Date | undefined): object {
  const { name, address, pid } = source;
  const when = time === undefined ? {} : { time: time.toISOString() };
  return { v: eventVersion, ...when, name, address, pid, severity: severityOf(event), ...event };
}
