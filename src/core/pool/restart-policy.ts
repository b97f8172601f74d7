// When a worker that ended by itself is started again (planned, crash, backoff).
// Pure: the caller brings the clock and the random number.
import { defaults, type RestartPolicy } from '../config.ts';
import type { WorkerExit } from '../worker-exit.ts';

/** What a slot remembers between its workers; times on the monotonic clock in milliseconds. */
export interface RestartMemory {
  /** Consecutive delayed restarts; the exponent of the backoff. */
  readonly failures: number;
  /** When the latest planned exits were replaced, oldest first. */
  readonly plannedAtMs: readonly number[];
  /** Consecutive brief lives that ended with 0 although nobody saw the worker serve. */
  readonly unseen: number;
  /** Consecutive brief lives that ended by a crash. */
  readonly briefCrashes: number;
  /** Whether a worker that was seen up has recycled itself here. */
  readonly recycles: boolean;
}

export const freshMemory: RestartMemory = {
  failures: 0,
  plannedAtMs: [],
  unseen: 0,
  briefCrashes: 0,
  recycles: false,
};

/**
 * How a worker's end is judged: see spec "Restarts". `stuck`: a request of it was, and it was ended for that, which takes
 * so long each time that it needs no backoff.
 */
export type EndClass = 'planned' | 'crash' | 'failed-start' | 'stuck';

/** Whether it counts for --start-limit. */
export function isFailure(end: EndClass): boolean {
  return end === 'crash' || end === 'failed-start';
}

export interface Life {
  readonly startedAtMs: number;
  /** When it was seen waiting for connections or had lived long enough; undefined: never. */
  readonly upAtMs: number | undefined;
  /** Seen to wait for connections or to serve one, or it may not be looked at; not up by its age alone. */
  readonly isSeen: boolean;
}

/** Exit 0 of a worker that was seen up, or lived for a while after it was up by its age, is planned. */
export function classifyEnd(
  exit: WorkerExit,
  life: Life,
  endedAtMs: number,
  policy: RestartPolicy,
  memory: RestartMemory,
): EndClass {
  const isUp = life.upAtMs !== undefined;
  if (exit.kind === 'exited' && exit.status === 0) {
    const isPlain = life.isSeen || (isUp && !isBrief(life, endedAtMs));
    return isPlain || isBelieved(isUp, memory) ? 'planned' : 'failed-start';
  }
  return isUp && endedAtMs - life.startedAtMs >= policy.minUptimeMs ? 'crash' : 'failed-start';
}

/**
 * A brief life that nobody saw serve and that ended with 0: in a pool that recycles, a worker that
 * serves from the queue at once can be done before anybody looks; anywhere else it is soon a loop.
 */
function isBelieved(isUp: boolean, { recycles, unseen }: RestartMemory): boolean {
  return recycles ? unseen < defaults.unseenRecycles : isUp && unseen < defaults.briefLives;
}

function isBrief(life: Life, endedAtMs: number): boolean {
  return endedAtMs - life.startedAtMs < defaults.briefLifeMs;
}

/** The slot's pool recycles its workers, as was seen now in one of its slots. */
export function noteRecycling(memory: RestartMemory): RestartMemory {
  return memory.recycles && memory.unseen === 0 ? memory : { ...memory, recycles: true, unseen: 0 };
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
  if (end === 'stuck') return { delayMs: 0, memory };
  const wasStable = life.upAtMs !== undefined && endedAtMs - life.upAtMs >= defaults.backoffResetMs;
  const remembered = rememberLife(wasStable ? { ...memory, failures: 0 } : memory, life, endedAtMs, end);
  if (end === 'planned') return decidePlanned(endedAtMs, remembered);
  // With a small --min-uptime a loop of crashes would be endless.
  if (end === 'crash' && remembered.briefCrashes <= defaults.briefLives)
    return { delayMs: 0, memory: remembered };
  return decideBackoff(remembered, policy, random);
}

/** The rows of brief lives end with one that was not brief, or that was seen to serve and recycled itself. */
function rememberLife(memory: RestartMemory, life: Life, endedAtMs: number, end: EndClass): RestartMemory {
  if (end === 'planned' && life.isSeen) return { ...noteRecycling(memory), briefCrashes: 0 };
  if (!isBrief(life, endedAtMs)) return { ...memory, unseen: 0, briefCrashes: 0 };
  if (end === 'planned') return { ...memory, unseen: memory.unseen + 1 };
  const unseen = life.isSeen ? 0 : memory.unseen;
  return { ...memory, unseen, briefCrashes: memory.briefCrashes + Number(end === 'crash') };
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
