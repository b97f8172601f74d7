// What a pool wants done: the orders that it answers facts with, and how urgent each kind is.
import type { EndClass } from './restart-policy.ts';
import type { ReplacementResult, ReplacementWish } from '../operations/replacement.ts';
import type { ReloadResult } from '../operations/rollout.ts';
import type { WorkerEnd } from '../worker-exit.ts';

export type PoolOrder =
  | { readonly kind: 'spawn'; readonly slot: number }
  | { readonly kind: 'retry-after'; readonly slot: number; readonly delayMs: number }
  | { readonly kind: 'cancel-retry'; readonly slot: number }
  /** `isUnhurried`: it may take for its requests what they take. */
  | {
      readonly kind: 'terminate';
      readonly slot: number;
      readonly pid: number;
      readonly isUnhurried?: boolean;
    }
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
  | {
      readonly kind: 'try';
      readonly slot: number;
      readonly generation: number;
      readonly step: number;
      /** False: of the generation in service. */
      readonly isReload?: false;
    }
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
  | {
      readonly kind: 'replacement-ended';
      readonly wish: ReplacementWish;
      readonly result: ReplacementResult;
      readonly failure: ReloadFailure | undefined;
    }
  | { readonly kind: 'restart-begun'; readonly generation: number }
  /** No worker is left, and another program may follow. */
  | { readonly kind: 'reset-socket' }
  | { readonly kind: 'restart-ended'; readonly isUp: boolean; readonly generation: number }
  | {
      readonly kind: 'scaled';
      readonly workers: number;
      readonly from: number;
      /** The load's; undefined: somebody has asked. */
      readonly reason: string | undefined;
    };

/** Why a reload turned round. */
export type ReloadFailure =
  | { readonly kind: 'ended'; readonly slot: number; readonly pid: number; readonly end: WorkerEnd }
  | { readonly kind: 'late'; readonly slot: number }
  | { readonly kind: 'no-answer'; readonly reason: string; readonly isLate: boolean };

export type OrderKind = PoolOrder['kind'];
export type OrderOf<K extends OrderKind> = Extract<PoolOrder, { kind: K }>;

/** `end` goes before `spawn`, `spawn` before the `rest`: a respawn must not wait for a slow log. */
export type OrderClass = 'end' | 'spawn' | 'rest';

/** `isBeginning`: it comes to nothing once the pool stops. */
interface OrderTraits {
  readonly class: OrderClass;
  readonly isBeginning: boolean;
}

const end = { class: 'end', isBeginning: false } as const;
const report = { class: 'rest', isBeginning: false } as const;
const beginning = { class: 'rest', isBeginning: true } as const;

export const orderTraits: { readonly [K in OrderKind]: OrderTraits } = {
  terminate: end,
  'reset-socket': end,
  spawn: { class: 'spawn', isBeginning: true },
  'retry-after': beginning,
  'cancel-retry': report,
  'report-end': report,
  'report-up': report,
  'start-failed': report,
  'start-limit-reached': report,
  stopped: report,
  try: beginning,
  probe: beginning,
  promoted: report,
  settle: beginning,
  'reload-begun': beginning,
  'reload-ended': report,
  'replacement-ended': report,
  'restart-begun': report,
  'restart-ended': report,
  scaled: report,
};
