// Whether a pool serves, by what its supervisor sees of its workers: the words for `ping`, the heading of `status`, and the
// page of the status socket. Pure.
import type { PoolSummary } from './protocol.ts';

export interface Health {
  /** `unknown`: workers run, and nobody may look into them. */
  readonly kind: 'serving' | 'saturated' | 'unknown' | 'not-serving';
  /** A word, or a word, a colon and the reason. */
  readonly text: string;
}

type Facts = Pick<
  PoolSummary,
  | 'phase'
  | 'serving'
  | 'idle'
  | 'busy'
  | 'kept'
  | 'backoff'
  | 'wanted'
  | 'queue'
  | 'socketFile'
  | 'unreachable'
>;

export function judgeHealth(pool: Facts): Health {
  const { phase, serving, idle, busy } = pool;
  if (phase !== 'serving') return { kind: 'not-serving', text: phase };
  const loss = describeLoss(pool) ?? pool.unreachable ?? undefined;
  if (loss !== undefined) return { kind: 'not-serving', text: `not serving: ${loss}` };
  if (idle + busy === 0) return { kind: 'not-serving', text: describeAbsence(pool) };
  if (serving === 'no') return { kind: 'not-serving', text: 'not serving: no worker accepts' };
  if (serving === 'unknown') return { kind: 'unknown', text: 'unknown: its workers may not be looked into' };
  if (!isSaturated(pool)) return { kind: 'serving', text: `serving${describeBackoff(pool)}` };
  return { kind: 'saturated', text: `saturated${describeHeld(pool) ?? describeBackoff(pool)}` };
}

/** What became of the socket's file, if nobody can connect any more. */
export function describeLoss({ socketFile }: Pick<PoolSummary, 'socketFile'>): string | undefined {
  if (socketFile === 'gone') return 'its socket file is gone';
  return socketFile === 'replaced' ? 'its socket file was replaced' : undefined;
}

/** Everybody works, and connections wait. */
function isSaturated({ idle, queue }: Facts): boolean {
  return idle === 0 && queue !== null && queue.length > 0;
}

/** By clients that need them for nothing now, as HAProxy does without `option http-server-close`. */
function describeHeld({ idle, busy, kept = 0, queue }: Facts): string | undefined {
  if (kept === 0) return undefined;
  return `: ${kept} of ${idle + busy} held by kept connections, ${queue?.length ?? 0} waiting`;
}

function describeAbsence({ backoff, wanted }: Facts): string {
  if (backoff === 0) return 'not serving: no worker is up';
  if (backoff < wanted) return `failing: ${backoff} of ${wanted} workers in backoff, none is up`;
  return wanted === 1 ? 'failing: its worker is in backoff' : `failing: all ${backoff} workers in backoff`;
}

function describeBackoff({ backoff, wanted }: Facts): string {
  return backoff === 0 ? '' : `: ${backoff} of ${wanted} workers in backoff`;
}
