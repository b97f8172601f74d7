// An event as a line, and the count of those that nobody took.
import { eventFacts, type EventSource } from '../../core/text/event-json.ts';
import { describeEvent } from '../../core/text/event-text.ts';
import type { PoolEvent } from '../../core/text/pool-event.ts';
import type { EventLog } from '../../core/machine.ts';

export interface LogOptions extends EventSource {
  readonly format: 'human' | 'json';
}

/** Counts the events that `write` could not hand over, and says so with the next one that it can. */
export function countLosses(write: (event: PoolEvent) => boolean): EventLog['write'] {
  let lost = 0;
  return (event) => {
    if (lost > 0) {
      const message = `${lost} ${lost === 1 ? 'event was' : 'events were'} not logged: nobody took ${lost === 1 ? 'it' : 'them'}`;
      if (!write({ event: 'warning', message })) {
        lost++;
        return;
      }
      lost = 0;
    }
    if (!write(event)) lost++;
  };
}

/** `time` is for people; in JSON there always is one. */
export function formatLine(event: PoolEvent, options: LogOptions, time: Date | undefined): string {
  if (options.format === 'json') return `${JSON.stringify(eventFacts(event, options, time ?? new Date()))}\n`;
  const prefix = time ? `${time.toISOString()} ` : '';
  return `${prefix}spawn-fcgi[${options.pid}] ${options.name}: ${describeEvent(event)}\n`;
}
