// What a command of the control socket answers: the result of an operation, in words and as an exit status.
import {
  refusal,
  statusOfReload,
  type ControlResult,
  type PoolStatus,
  type PoolSummary,
} from '../../control/protocol.ts';
import { describeMs, plural } from '../../core/text/amount-text.ts';
import { describeLeft } from '../../core/text/left-process.ts';
import { describeFailedReload } from '../../core/text/reload-text.ts';
import type { OperationEnd } from '../../supervisor/outcome.ts';

export function spoiled(result: ControlResult, problem: string): ControlResult {
  const message = `${result.message}, but nobody can connect: ${problem}; start the pool again as it was started, with --replace`;
  return { ...result, status: 1, message };
}

export function countWorkers(count: number): string {
  return plural(count, 'worker');
}

export function done(message: string, pool: PoolStatus | PoolSummary): ControlResult {
  return { ok: true, status: 0, message, pool };
}

export function resultOf(end: OperationEnd, pool: PoolSummary): ControlResult {
  switch (end.kind) {
    case 'stopped':
      return refusal('stopping', 'the pool is stopping');
    case 'reload-watched':
      return done(describeWatched(end, pool), pool);
    case 'restart':
      return { ok: true, ...describeRestart(end, pool), pool };
    case 'reload':
      return { ok: true, status: statusOfReload[end.result], message: describeReload(end, pool), pool };
  }
}

function describeRestart(
  { isUp, generation, left = [] }: Extract<OperationEnd, { kind: 'restart' }>,
  pool: PoolSummary,
): Pick<ControlResult, 'status' | 'message'> {
  const what = isUp
    ? `restarted: generation ${generation}, ${countWorkers(pool.wanted)}`
    : 'restarted, but not every new worker came up';
  return left.length > 0
    ? { status: 1, message: `${what}; ${describeLeft(left)}` }
    : { status: isUp ? 0 : 1, message: what };
}

function describeWatched(
  { generation, watchedMs }: Extract<OperationEnd, { kind: 'reload-watched' }>,
  pool: PoolSummary,
): string {
  const rollBack = `rolled back if one of them ends within ${describeMs(watchedMs)}`;
  return `all new: generation ${generation}, ${countWorkers(pool.wanted)}; ${rollBack}`;
}

function describeReload(end: Extract<OperationEnd, { kind: 'reload' }>, pool: PoolSummary): string {
  const { result, generation } = end;
  return result === 'reloaded'
    ? `reloaded: generation ${generation}, ${countWorkers(pool.wanted)}`
    : describeFailedReload({ ...end, result, reason: end.message });
}
