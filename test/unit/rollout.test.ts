// The table of a rolling reload: one test for each cell, those where nothing happens included.
import { expect, test } from 'vitest';
import * as rollout from '../../src/core/operations/rollout.ts';

const events = ['answered', 'up', 'lost', 'late', 'gone', 'fell', 'settled'] as const;

/** Only what is not ignored. */
const cells: Record<rollout.RolloutStage, Partial<Record<rollout.RolloutEvent, rollout.RolloutAction>>> = {
  probing: { answered: 'next', lost: 'fail', late: 'fail' },
  trying: { up: 'promote', lost: 'fail', late: 'fail', fell: 'fail' },
  replacing: { gone: 'next', fell: 'fail' },
  settling: { fell: 'fail', settled: 'finish' },
  reverting: { up: 'promote', lost: 'give-up', late: 'give-up', fell: 'refill' },
  restoring: { gone: 'next', fell: 'refill' },
};

const rows = Object.entries(cells).flatMap(([stage, row]) =>
  events.map((event) => [stage as rollout.RolloutStage, event, row[event] ?? 'ignore'] as const),
);

test.each(rows)('%s: after %s the reload does: %s', (stage, event, action) => {
  expect(rollout.decideRollout(stage, event)).toBe(action);
});

test('only reverting and restoring are the way back', () => {
  const back = (Object.keys(cells) as rollout.RolloutStage[]).filter(rollout.isReturning);
  expect(back).toStrictEqual(['reverting', 'restoring']);
});
