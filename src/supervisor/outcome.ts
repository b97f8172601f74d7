// What a supervisor tells of its pool: its outcome to whoever runs it, the end of an operation to who asked for it.
import type { LeftProcess } from '../core/text/left-process.ts';
import type { ReplacementResult } from '../core/operations/replacement.ts';
import type { ReloadResult } from '../core/operations/rollout.ts';
import type { WorkerEnd } from '../core/worker-exit.ts';

/** What the supervisor tells whoever runs it; each at most once. */
export interface Outcome {
  /** The pool begins to end, for whatever reason. */
  stopping(): void;
  /** The first start succeeded; `firstEnds` has the end of each slot whose first worker died all the same. */
  up(firstEnds: readonly (WorkerEnd | undefined)[]): void;
  startFailed(firstEnds: readonly WorkerEnd[]): void;
  /** Every process of the pool is gone. */
  stopped(status: number): void;
}

/** How a reload or restart ended, for who asked for it. */
export type OperationEnd =
  | {
      readonly kind: 'reload';
      readonly result: ReloadResult;
      readonly message: string;
      /** The one that was tried. */
      readonly generation: number;
      readonly serving: number;
      readonly left?: readonly LeftProcess[];
    }
  | {
      readonly kind: 'restart';
      readonly isUp: boolean;
      readonly generation: number;
      readonly left?: readonly LeftProcess[];
    }
  /** A reload whose workers are all new and up, for who waits for no more; each may still be rolled back. */
  | { readonly kind: 'reload-watched'; readonly generation: number; readonly watchedMs: number }
  | { readonly kind: 'stopped' };

export type OperationListener = (end: OperationEnd) => void;

/** How the replacement of one worker ended, for the guard that asked for it; `message`: why it failed. */
export interface ReplacementEnd {
  readonly result: ReplacementResult;
  readonly message: string;
}

/** Who asked for a reload; `isEarly`: is told when the watch after its last step begins, and not how that ends. */
export interface ReloadListener {
  readonly tell: OperationListener;
  readonly isEarly: boolean;
}

export interface LastReload {
  readonly result: ReloadResult;
  readonly atMs: number;
  readonly message: string;
  /** The program's own, of a trial that failed. */
  readonly words: readonly string[];
}
