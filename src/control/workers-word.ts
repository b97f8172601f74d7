// How many workers a `scale` asks for, as a request has it and as people type it.
import { describeRange, maxWorkers, parseRange } from '../core/scaling/worker-range.ts';
import type { AskedWorkers } from '../core/scaling/worker-bounds.ts';

/** A number; `+1`, `-2`: a difference to it; `2-8`: between which the load decides. An older supervisor takes no range. */
export type WorkersWord = number | `${'+' | '-'}${number}` | `${number}-${number}`;

/** What a `scale` asks for, of a request or as somebody has typed it; undefined: nothing that there is. */
export function parseWorkersWord(value: unknown): AskedWorkers | undefined {
  if (typeof value !== 'string') {
    const isNumber =
      typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= maxWorkers;
    return isNumber ? { kind: 'number', workers: value } : undefined;
  }
  if (/^[+-]\d{1,5}$/.test(value)) return { kind: 'difference', by: Number(value) };
  const range = parseRange(value);
  return range && { kind: 'range', range };
}

/** The same for a request. */
export function toWorkersWord(asked: AskedWorkers): WorkersWord {
  switch (asked.kind) {
    case 'number':
      return asked.workers;
    case 'difference':
      return `${asked.by < 0 ? '-' : '+'}${Math.abs(asked.by)}`;
    case 'range':
      return describeRange(asked.range) as `${number}-${number}`;
  }
}
