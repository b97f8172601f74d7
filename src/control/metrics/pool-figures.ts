// What is known of a pool for those who watch it, whoever has looked: the supervisor or spawn-fcgictl. Pure.
import type { PoolStatus, WorkerStatus } from '../protocol.ts';

/** Resident bytes, and processor time. */
export interface Usage {
  readonly rssBytes: number;
  readonly cpuMs: number;
}

/** What could be measured. */
export interface PoolUsage {
  /** Missing where /proc cannot be seen. */
  readonly supervisor: Usage | undefined;
  /** Of all processes of its children, ended ones included. */
  readonly cpuMs: number | undefined;
  /** Of the whole session of a worker, or of a spare one, by its first process. */
  readonly workers: ReadonlyMap<number, Usage>;
}

export interface PoolFigures {
  readonly status: PoolStatus;
  readonly usage: PoolUsage;
  /** Seconds since 1970. */
  readonly nowSeconds: number;
}

/** A pool whose supervisor was killed, while workers serve on. */
export interface DeadFigures {
  readonly name: string;
  readonly address: string;
  readonly orphans: number;
}

/** Running workers that can take nobody else: with what they hold between two requests. */
export function countActive({ workers }: Pick<PoolStatus, 'workers'>): number {
  return workers.filter(({ state, activity }) => state === 'running' && activity !== 'idle').length;
}

/** What a worker is at, in one word. */
export function stateOf({ state, activity }: Pick<WorkerStatus, 'state' | 'activity'>): string {
  return state === 'running' ? activity : state;
}

/** Seconds since 1970 at which something began that lasts so long; whole ones, so that it does not wander. */
export function beganAt({ nowSeconds }: Pick<PoolFigures, 'nowSeconds'>, lastsMs: number): number {
  return Math.round(nowSeconds - lastsMs / 1000);
}
