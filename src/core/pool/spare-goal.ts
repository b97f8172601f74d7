// What a pool has use for spares for, by what is going on in it.
import { isReturning } from '../operations/rollout.ts';
import type { Pool } from './pool.ts';
import type { SpareGoal } from './spares.ts';

/** Undefined: there are to be none. */
export function spareGoal({
  life,
  operation,
  reload,
  generation,
}: Pick<Pool, 'life' | 'operation' | 'reload' | 'generation'>): SpareGoal | undefined {
  // Before, whoever waits for the start has the processors; a restart is for programs that bear no second generation.
  if (life.state.kind !== 'serving' || operation === 'restart') return undefined;
  // Until the new release has passed its trial nothing says that it will ever serve.
  const isNew = reload !== undefined && reload.stage !== 'probing' && !isReturning(reload.stage);
  return { generation: isNew ? reload.to : generation, mayStart: operation !== 'handover' };
}
