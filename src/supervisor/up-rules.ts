// Whom the up-watch looks at, and what each of them has to show.
import { defaults } from '../core/config.ts';
import type { Pool } from '../core/pool/pool.ts';
import type { RestartMemory } from '../core/pool/restart-policy.ts';
import type { SlotState } from '../core/pool/slot-state.ts';
import type { PoolSettings } from './settings.ts';
import { memberRule, seenRule, type StartingWorker, type UpRule } from './up-watch.ts';

export function workersToWatch(
  pool: Pick<Pool, 'life' | 'slots' | 'roster' | 'isGrown'>,
  settings: PoolSettings,
  nowMs: number,
): StartingWorker[] {
  const { settleMs, isNotified, isTakingOver } = settings;
  const careful = carefulRule(settings);
  // No trial goes before a takeover: the first workers are on trial themselves.
  const trial = { ...careful, notBeforeMs: Math.min(settings.restart.minUptimeMs, settleMs) };
  const firstRule = isTakingOver ? trial : isNotified ? careful : memberRule;
  const isFirst = pool.life.state.kind === 'starting';
  const rule = isFirst ? firstRule : isNotified ? careful : memberRule;
  // By living alone a worker of a slot that was added is up as late as one of a reload.
  const grownRule = rule === memberRule ? { ...memberRule, upByAgeMs: settleMs } : rule;
  const members = pool.slots.flatMap(({ state, memory }, slot) => {
    if (state.kind === 'starting') {
      const trustsHidden = rule === memberRule && memory.recycles;
      const own = pool.isGrown(slot) ? grownRule : rule;
      return [{ slot, pid: state.pid, startedAtMs: state.startedAtMs, ...own, trustsHidden }];
    }
    return isMissed(state, memory, nowMs)
      ? [{ slot, pid: state.pid, startedAtMs: state.startedAtMs, ...seenRule }]
      : [];
  });
  const candidates = pool.roster.in('candidate');
  return [...members, ...candidates.map((worker) => ({ ...worker, ...careful }))];
}

/** Of those whom nobody waits for: they are up when they are seen to be, or may not be looked into and live for long enough. */
export function carefulRule({ settleMs, isNotified }: PoolSettings): UpRule {
  // A worker that tells itself when it is ready is not ready by living.
  const upByAgeMs = isNotified ? Number.POSITIVE_INFINITY : settleMs;
  return { upByAgeMs, needsEvidence: true, notBeforeMs: 0, trustsHidden: false };
}

/**
 * Up by its age alone in a slot whose last worker ended with 0 unseen: it is watched on for a while, since one that
 * recycles itself and takes long to start on a busy machine serves only after that age.
 */
function isMissed(
  state: SlotState,
  memory: RestartMemory,
  nowMs: number,
): state is Extract<SlotState, { kind: 'running' }> {
  return (
    state.kind === 'running' &&
    !state.isSeen &&
    memory.unseen > 0 &&
    nowMs - state.startedAtMs < defaults.briefLifeMs
  );
}
