// When a worker that ended by itself is started again (planned, crash, backoff).
// Pure: the caller brings the clock and the random number.
import { defaults, type RestartPolicy } from './config.ts';
import type { WorkerExit } from './worker-exit.ts';

/** What a slot remembers between its workers; times on the monotonic clock in milliseconds. */
export interface RestartMemory {
  /** Consecutive delayed restarts; the exponent of the backoff. */
  readonly failures: number;
  /** When the latest planned exits were replaced, oldest first. */
  readonly plannedAtMs: readonly number[];
  /** Consecutive exits with 0 that passed for planned although nobody saw the worker up. */
  readonly unseen?: number;
}

export const freshMemory: RestartMemory = { failures: 0, plannedAtMs: [] };

/** How a worker's end is judged: see spec "Restarts". */
export type EndClass = 'planned' | 'crash' | 'failed-start';

export interface Life {
  readonly startedAtMs: number;
  /** When it was seen waiting for connections or had lived long enough; undefined: never. */
  readonly upAtMs: number | undefined;
}

/**
 * Exit 0 in a slot that has recycled workers before is believed a few times in a row
 * even when nobody saw the worker up: on a busy machine one that serves from the queue
 * at once can be done before anybody looks.
 */
export function classifyEnd(
  exit: WorkerExit,
  life: Life,
  endedAtMs: number,
  policy: RestartPolicy,
  memory: RestartMemory,
): EndClass {
  if (exit.kind === 'exited' && exit.status === 0) {
    const isBelieved = memory.plannedAtMs.length > 0 && (memory.unseen ?? 0) < defaults.unseenRecycles;
    if (life.upAtMs !== undefined || isBelieved) return 'planned';
  }
  return life.upAtMs !== undefined && endedAtMs - life.startedAtMs >= policy.minUptimeMs
    ? 'crash'
    : 'failed-start';
}

export interface RestartDecision {
  readonly delayMs: number;
  readonly memory: RestartMemory;
}

/**
 * The delay before the slot's next worker. `random` in [0, 1) spreads delayed
 * restarts by a tenth, so that many pools do not retry in step.
 */
export function decideRestart(
  end: EndClass,
  life: Life,
  endedAtMs: number,
  memory: RestartMemory,
  policy: RestartPolicy,
  random: number,
): RestartDecision {
  const wasStable = life.upAtMs !== undefined && endedAtMs - life.upAtMs >= defaults.backoffResetMs;
  const remembered = rememberLife(wasStable ? { ...memory, failures: 0 } : memory, life, end);
  if (end === 'planned') return decidePlanned(endedAtMs, remembered);
  if (end === 'crash') return { delayMs: 0, memory: remembered };
  return decideBackoff(remembered, policy, random);
}

/** A worker that was seen up ends the row of unseen ones. */
function rememberLife(memory: RestartMemory, life: Life, end: EndClass): RestartMemory {
  const { unseen = 0, ...rest } = memory;
  if (life.upAtMs !== undefined) return rest;
  return end === 'planned' ? { ...rest, unseen: unseen + 1 } : memory;
}

function decidePlanned(nowMs: number, memory: RestartMemory): RestartDecision {
  const recent = memory.plannedAtMs.filter((at) => nowMs - at < 1000);
  const oldest = recent[recent.length - defaults.plannedRestartsPerSecond];
  const delayMs = oldest === undefined ? 0 : oldest + 1000 - nowMs;
  return { delayMs, memory: { ...memory, plannedAtMs: [...recent, nowMs + delayMs] } };
}

function decideBackoff(memory: RestartMemory, policy: RestartPolicy, random: number): RestartDecision {
  const full = Math.min(policy.delayMs * 2 ** Math.min(memory.failures, 40), policy.maxDelayMs);
  const delayMs = Math.round(full * (0.9 + random * 0.1));
  return { delayMs, memory: { ...memory, failures: memory.failures + 1 } };
}
