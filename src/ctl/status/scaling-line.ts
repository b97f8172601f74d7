// The line of `status` on how many workers a pool has of how many, and what the load did last. Pure.
import type { PoolStatus } from '../../control/protocol.ts';
import { describeDuration, plural } from '../../core/text/amount-text.ts';
import { printable } from '../../core/text/printable.ts';
import { describeRange } from '../../core/scaling/worker-range.ts';

/** `  workers 3 of 2-8; from 2 to 3 4s ago: 5 connections wait, nobody idle`; none where the number is fixed. */
export function describeScaling({ wanted, scaling }: Pick<PoolStatus, 'wanted' | 'scaling'>): string[] {
  if (!scaling) return [];
  const { min, max, processors, last, note } = scaling;
  const range = min === max ? '' : ` of ${describeRange(scaling)}`;
  const auto = processors === null ? '' : ` (auto: ${plural(processors, 'processor')})`;
  const change =
    last &&
    `; from ${last.from} to ${last.to} ${describeDuration(last.agoMs)} ago: ${printable(last.reason)}`;
  const lines = [`  workers ${wanted}${range}${auto}${change ?? ''}`];
  return note === null ? lines : [...lines, `  ${printable(note)}`];
}
