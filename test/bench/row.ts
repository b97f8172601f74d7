// One line of the result: a quantity, measured for every contender in the same run, and its budgets.
import type { ScalingRun } from './measure-scaling.ts';
import type { Sample } from './statistics.ts';

export const contenderNames = [
  'ours',
  '1.6',
  'node',
  'multiwatch',
  'supervisord',
  'php-fpm',
  'bare',
] as const;
export type ContenderName = (typeof contenderNames)[number];

/** `against` a peer the limit is a ratio of medians; `absolute` limits our own median. */
export interface Budget {
  against: Exclude<ContenderName, 'ours'> | 'absolute';
  limit: number;
  /** The more the better: the limit is a lower one. */
  atLeast?: true;
  /** What we would like; printed, but missing it is not "over". */
  goal?: number;
  /** How the limit is written in the table when the number itself reads badly. */
  label?: string;
}

export interface Row {
  what: string;
  unit: string;
  cells: Partial<Record<ContenderName, Sample>>;
  budgets: readonly Budget[];
  /** What a chart is drawn from. */
  runs?: readonly ScalingRun[];
}

export interface Judgement {
  budget: Budget;
  /** Our median by the peer's, or our median itself for an absolute budget. */
  value: number | undefined;
  verdict: 'ok' | 'ok, goal missed' | 'over' | 'no figure';
}

export function judge(row: Row, budget: Budget): Judgement {
  const ours = row.cells.ours?.median;
  const base = budget.against === 'absolute' ? 1 : row.cells[budget.against]?.median;
  if (ours === undefined || base === undefined) return { budget, value: undefined, verdict: 'no figure' };
  const value = ours / base;
  if (budget.atLeast ? value < budget.limit : value > budget.limit) return { budget, value, verdict: 'over' };
  const goalMissed = budget.goal !== undefined && value > budget.goal;
  return { budget, value, verdict: goalMissed ? 'ok, goal missed' : 'ok' };
}
