// Runs the contenders of one measurement in turn, A B C C B A, so that a busy minute, or what the one before leaves,
// hits all of them alike.
import type { ContenderName } from './row.ts';
import { summarize, type Sample } from './statistics.ts';

export interface Contender {
  name: ContenderName;
  /** One measured value, in the row's unit. */
  run: () => number | Promise<number>;
}

const warmUpRounds = 2;

export async function interleave(
  attempts: readonly Contender[],
  rounds: number,
  warmUps = warmUpRounds,
): Promise<Partial<Record<ContenderName, Sample>>> {
  const values = new Map<ContenderName, number[]>(attempts.map(({ name }) => [name, []]));
  for (let round = 0; round < warmUps + rounds; round += 1) {
    for (const { name, run } of round % 2 === 0 ? attempts : attempts.toReversed()) {
      const value = await run();
      if (round >= warmUps) values.get(name)?.push(value);
    }
  }
  return Object.fromEntries([...values].map(([name, series]) => [name, summarize(series)]));
}
