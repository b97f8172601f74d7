/**
 * The words of the parity tables: a situation is one command line in one
 * surrounding; an outcome is everything that can be seen of it from outside.
 */
import type { Setup } from './setup.ts';

/** In every text `<dir>` stands for the side's own directory and `<port>` for its own port. */
export interface Situation {
  name: string;
  args: readonly string[];
  /** What ours is called with where that is compared with something else of 1.6: long names, --no-supervise. */
  ours?: readonly string[];
  /** What is in the directory before the start; `app` (the reporting worker) always is. */
  setup?: readonly Setup[];
  /** Settings for test/fixtures/caller.c, in order; they override the defaults. */
  caller?: readonly string[];
  /** The complete environment; otherwise a small usual one. */
  env?: Readonly<Record<string, string>> | readonly string[];
  /** Texts are bytes (latin1) instead of UTF-8. */
  raw?: boolean;
  /** Who calls; otherwise whoever runs the tests. */
  user?: 'root' | 'nobody';
  /** Skipped unless root runs the tests, as the setup is of several users or a socket of mode 0 is asked. */
  needsRoot?: boolean;
  /** The command stays in the foreground: when its report has been read it gets TERM. */
  foreground?: boolean;
  /** How many workers of ours and of the reference report; default 1, 0: nobody is asked. */
  workers?: number;
  /** After how many milliseconds 1.6 is killed where it does not return; 20 s, which ours always has. */
  patienceMs?: number;
  /** A line on stderr that is waited for before the end. */
  upLine?: RegExp | undefined;
  /** Where the pool is reached, when not at 127.0.0.1 or at run.sock. */
  socket?: string;
  host?: string;
  /** Only for an intended difference (specification, section 2): what ours shows instead. */
  differs?: Difference;
  /** A hint line that ours must print besides. */
  hint?: RegExp;
}

export interface Difference {
  why: string;
  status?: unknown;
  signal?: unknown;
  stdout?: unknown;
  stderr?: unknown;
  outputEnds?: boolean;
  /** Facts of every worker; undefined: the fact is not there. */
  worker?: Readonly<Record<string, unknown>>;
  /** Number of workers that report. */
  workers?: number;
  /** What ours prints when it is up, and which is waited for before it is ended. */
  upLine?: RegExp;
  /** All reports, where the reference has none to start from. */
  reports?: unknown;
  /** What lies in the directory afterwards; undefined: nothing of that name. */
  tree?: Readonly<Record<string, unknown>>;
}

export type WorkerReport = Record<string, string | readonly string[]>;

export interface Outcome {
  status: number | null;
  signal: string | null;
  stdout: string;
  /** Without hint lines. */
  stderr: string;
  /** Whether a caller that captures the output saw its end. */
  outputEnds: boolean;
  workers: WorkerReport[];
  /** Every file in the directory after the start: type, mode, owner, and content if small. */
  tree: Record<string, string>;
}

/** The reference's outcome with the intended differences put in. */
export function expectedOutcome(reference: Outcome, differs: Difference | undefined): Outcome {
  if (!differs) return reference;
  const { why: _why, upLine: _upLine, worker, workers, reports, tree, ...rest } = differs;
  const count = workers ?? reference.workers.length;
  const model = reference.workers[0] ?? {};
  return {
    ...reference,
    ...rest,
    workers:
      reports ??
      Array.from({ length: count }, (_, index) => overlay(reference.workers[index] ?? model, worker)),
    tree: overlay(reference.tree, tree),
  } as Outcome;
}

function overlay<T extends object>(base: T, changes: Readonly<Record<string, unknown>> = {}): T {
  const merged = Object.entries({ ...base, ...changes });
  return Object.fromEntries(merged.filter(([, value]) => value !== undefined)) as T;
}
