// How a reload ended, and what is in service by now.
import type { ReloadResult } from '../operations/rollout.ts';
import { describeLeft, type LeftProcess } from './left-process.ts';
import type { EventOf } from './pool-event.ts';

export function describeReload(event: EventOf<'reload-finished'>): string {
  const { result, generation, words = [] } = event;
  if (result === 'reloaded') return `reload finished (generation ${generation})`;
  const said = words.length > 0 ? `; it said: ${words.join(' | ')}` : '';
  return `${describeFailedReload({ ...event, result })}${said}`;
}

/** What failed, and what is in service instead. */
export function describeFailedReload({
  result,
  generation,
  serving,
  reason = '',
  left = [],
}: {
  readonly result: Exclude<ReloadResult, 'reloaded'>;
  readonly generation: number;
  readonly serving: number;
  readonly reason?: string;
  readonly left?: readonly LeftProcess[];
}): string {
  const why = `${reason === '' ? '' : `: ${reason}`}${andLeft(left)}`;
  const old = `the old workers (generation ${serving}) are in service`;
  switch (result) {
    case 'rolled-back':
      return `reload to generation ${generation} failed, ${old}${why}`;
    case 'timed-out':
      return `reload to generation ${generation} timed out, ${old}${why}`;
    case 'partly':
      if (reason === '')
        return `reloaded to generation ${generation}, but not all old workers have ended${why}`;
      return `reload to generation ${generation} failed, and the old program is gone too: old and new workers are in service${why}`;
  }
}

export function andLeft(left: readonly LeftProcess[] = []): string {
  return left.length > 0 ? `; ${describeLeft(left)}` : '';
}
