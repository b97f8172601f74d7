// A start as a list of steps: what each gets, what all give, and where the list ends.
import { describe, expect, test } from 'vitest';
import { Plan } from '../../src/start/start-plan.ts';

interface Given {
  readonly journal: string[];
}

const note =
  (word: string) =>
  ({ journal }: Given): void =>
    void journal.push(word);

const addOne = ({ one }: { readonly one: number }) => ({ two: one + 1 });

describe('a plan', () => {
  test('takes its steps in order, and gives what was given and what each added', async () => {
    const plan = Plan.from<Given>()
      .step(note('first'))
      .step(() => ({ one: 1 }))
      .step(addOne)
      .step(note('last'));
    const journal: string[] = [];
    expect(await plan.run({ journal })).toEqual({ journal, one: 1, two: 2 });
    expect(journal).toEqual(['first', 'last']);
  });

  test('waits for a step that takes its time', async () => {
    const plan = Plan.from<Given>()
      .step(() => Promise.resolve({ one: 1 }))
      .step(addOne);
    expect(await plan.run({ journal: [] })).toMatchObject({ two: 2 });
  });

  test('ends with the refusal of the first step that has one', async () => {
    const plan = Plan.from<Given>()
      .step(note('before'))
      .step((): void => {
        throw new Error('no');
      })
      .step(note('after'));
    const journal: string[] = [];
    await expect(plan.run({ journal })).rejects.toThrow('no');
    expect(journal).toEqual(['before']);
  });

  test('is not changed by what is built on it, nor by a run', async () => {
    const common = Plan.from<Given>().step(() => ({ one: 1 }));
    const longer = common.step(addOne);
    expect(await longer.run({ journal: [] })).toHaveProperty('two');
    expect(await common.run({ journal: [] })).toEqual({ journal: [], one: 1 });
  });

  test('does not compile with a step in front of what that needs', async () => {
    // @ts-expect-error Nobody has given `one` yet.
    const plan = Plan.from<Given>().step(addOne);
    expect(await plan.run({ journal: [] })).toHaveProperty('two', Number.NaN);
  });
});
