// Where a pool has said that its lines go: what its features remember in the state file, which is there also when the
// supervisor does not answer, or is dead. Pure.
import { isLogPlace, type LogPlace } from '../../core/log-target.ts';
import type { PoolState } from '../../core/pool-state.ts';

/** Undefined: its supervisor is of a version that does not say. */
export function placeOfEvents({ memories }: Pick<PoolState, 'memories'>): LogPlace | undefined {
  const place = memories?.['log'];
  return isLogPlace(place) ? place : undefined;
}
