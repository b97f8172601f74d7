// What a pool wants done: the orders that it answers facts with. The supervisor carries them out.
import type { EndClass } from './restart-policy.ts';
import type { ReloadResult } from './rollout.ts';
import type { WorkerEnd } from './worker-exit.ts';

export type PoolOrder =
  | { readonly kind: 'spawn'; readonly slot: number }
  | { readonly kind: 'retry-after'; readonly slot: number; readonly delayMs: number }
  | { readonly kind: 'cancel-retry'; readonly slot: number }
  | { readonly kind: 'terminate'; readonly slot: number; readonly pid: number }
  | {
      readonly kind: 'report-end';
      readonly slot: number;
      readonly end: WorkerEnd;
      readonly class: EndClass;
      /** Until the slot is filled again; undefined: never, the pool ends. */
      readonly delayMs: number | undefined;
    }
  | { readonly kind: 'report-up'; readonly firstEnds: readonly (WorkerEnd | undefined)[] }
  | { readonly kind: 'start-failed'; readonly firstEnds: readonly WorkerEnd[] }
  | { readonly kind: 'start-limit-reached' }
  | { readonly kind: 'stopped' }
  /** Start a candidate for the slot; `late` after `--ready-timeout`. */
  | { readonly kind: 'try'; readonly slot: number; readonly generation: number; readonly step: number }
  /** Try one worker on a private socket. */
  | { readonly kind: 'probe'; readonly generation: number; readonly step: number }
  /** The candidate has the slot now. */
  | { readonly kind: 'promoted'; readonly slot: number; readonly pid: number }
  | { readonly kind: 'settle'; readonly step: number }
  | { readonly kind: 'reload-begun'; readonly generation: number }
  | {
      readonly kind: 'reload-ended';
      readonly result: ReloadResult;
      readonly generation: number;
      readonly failure: ReloadFailure | undefined;
    }
  | { readonly kind: 'restart-begun'; readonly generation: number }
  /** No worker is left, and another program may follow. */
  | { readonly kind: 'reset-socket' }
  | { readonly kind: 'restart-ended'; readonly isUp: boolean; readonly generation: number }
  | { readonly kind: 'scaled'; readonly workers: number };

/** Why a reload turned round. */
export type ReloadFailure =
  | { readonly kind: 'ended'; readonly slot: number; readonly pid: number; readonly end: WorkerEnd }
  | { readonly kind: 'late'; readonly slot: number }
  | { readonly kind: 'no-answer'; readonly reason: string; readonly isLate: boolean };
