// Asks pools for their status, all at once; one that has ended since is none.
import { ask } from '../../control/client.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import type { SpawnFcgiError } from '../../core/errors.ts';
import { isDeadPool, ownerOf, type DeadPool, type Pool } from '../target/pools.ts';
import { hasEnded, separate, type PoolAnswer } from './pool-answers.ts';

export interface Asked {
  readonly statuses: readonly PoolStatus[];
  /** Of those that did not answer. */
  readonly failures: readonly SpawnFcgiError[];
  /** Their supervisor was killed. */
  readonly dead: readonly DeadPool[];
}

/** `areNamed`: by who wants these and no other, and is told of one that has ended. */
export async function askPools(pools: readonly Pool[], areNamed: boolean, answerMs: number): Promise<Asked> {
  const living = pools.filter((pool) => !isDeadPool(pool));
  const answers = await Promise.all(living.map((pool) => askStatus(pool, answerMs)));
  const current = answers.filter(({ pool, outcome }) => areNamed || !hasEnded(pool, outcome));
  const [statuses, failures] = separate(current);
  return { statuses, failures, dead: pools.filter(isDeadPool) };
}

async function askStatus(pool: Pool, timeoutMs: number): Promise<PoolAnswer> {
  const options = { timeoutMs, owner: ownerOf(pool) };
  return { pool, outcome: await ask(pool.controlPath, { command: 'status' }, options) };
}
