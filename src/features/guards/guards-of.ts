// The guards that the options of a pool ask for; a guard more is a line here.
import type { Config } from '../../core/config.ts';
import type { Guard } from './guard.ts';
import { MaxAge } from './max-age.ts';

/** None: the pool needs no timer for them. */
export function guardsOf({ guards }: Pick<Config, 'guards'>, random: () => number): Guard[] {
  const { maxAgeMs } = guards;
  return maxAgeMs === undefined ? [] : [new MaxAge(maxAgeMs, random)];
}
