// What an operation on a pool's slots is: facts in, orders out, until it is over. One at a time; agenda.ts says which comes
// next. The pool knows this interface and no operation behind it.
import type { PoolOrder } from '../pool/orders.ts';
import type { Verdict } from '../pool/verdicts.ts';
import type { WorkerEnd, WorkerExit } from '../worker-exit.ts';

/** Told by whoever carries the steps out: a timer, the trial, a start. Of a step that is over it is late. */
export type StepFact =
  | { readonly kind: 'candidate-failed'; readonly step: number; readonly errno: number }
  /** `--ready-timeout` is over for the step. */
  | { readonly kind: 'late'; readonly step: number }
  /** The trial's answer: without a refusal it is good. */
  | {
      readonly kind: 'probed';
      readonly step: number;
      readonly refusal?: string | undefined;
      readonly isLate?: boolean | undefined;
    }
  | { readonly kind: 'settled'; readonly step: number };

export type OperationFact =
  | StepFact
  /** The worker of a `try` order is there, and awaited. */
  | { readonly kind: 'candidate-spawned'; readonly pid: number; readonly atMs: number }
  | { readonly kind: 'candidate-up'; readonly atMs: number }
  | { readonly kind: 'candidate-ended'; readonly exit: WorkerExit }
  /** A worker that had been told to end is gone. */
  | { readonly kind: 'gone'; readonly pid: number }
  /** A slot's worker is up, or has ended before. */
  | { readonly kind: 'judged'; readonly slot: number; readonly verdict: Verdict }
  /** The worker of a slot that concerns the operation ended unasked; the slot is empty now. */
  | { readonly kind: 'fell'; readonly slot: number; readonly pid: number; readonly end: WorkerEnd };

export interface Operation {
  readonly kind: 'reload' | 'restart' | 'scale' | 'handover' | 'replacement';
  readonly isOver: boolean;
  begin(): PoolOrder[];
  /** Heeds what it waits for, and nothing else. */
  tell(fact: OperationFact): PoolOrder[];
  /** The pool stops: nothing that it began must be forgotten. */
  abandon(): PoolOrder[];
  /** Whether a worker that was started for the step is its; else that is ended. */
  awaits?(step: number): boolean;
  /** Whether the unasked end of this slot's worker is its to answer; else the slot is filled again as ever. */
  concerns?(slot: number): boolean;
  /** The generation that fills a slot whose worker ended, where that is not the one in service. */
  generationFor?(slot: number): number;
}
