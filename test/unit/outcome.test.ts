// Which files of a test run get a second run, alone: what may be the neighbours' doing does, what was counted does not.
import { describe, expect, test } from 'vitest';
import { chooseSecondRuns, sumUp, type FileOutcome } from '../helpers/test-run/index.ts';

const file = (name: string, group: string, ...failed: string[]): FileOutcome => ({
  file: `test/${name}.test.ts`,
  group,
  passed: 1,
  failed: failed.map((one) => `${name} > ${one}`),
  skipped: [],
});
const good = file('integration/good', 'integration');

describe('a second run', () => {
  test('is for each file that failed beside others', () => {
    const outcomes = [good, file('e2e/a', 'e2e', 'one', 'two'), file('integration/b', 'integration', 'one')];
    expect(chooseSecondRuns(outcomes)).toEqual(['test/e2e/a.test.ts', 'test/integration/b.test.ts']);
  });

  test.for(['unit', 'ledger'])('is not for a file of the group %s', (group) => {
    expect(chooseSecondRuns([good, file('e2e/a', group, 'one')])).toEqual([]);
  });

  test('is not for a file that was alone', () => {
    expect(chooseSecondRuns([file('e2e/a', 'e2e', 'one')])).toEqual([]);
  });

  test('is for nobody where more fail than chance explains', () => {
    const failed = Array.from({ length: 7 }, (_, i) => file(`e2e/${i}`, 'e2e', 'one'));
    expect(chooseSecondRuns([good, ...failed])).toEqual([]);
    expect(chooseSecondRuns([good, ...failed.slice(1)])).toHaveLength(6);
  });

  test('is not for errors that no file can be blamed for', () => {
    const outside = { ...file('x', '', 'outside of any test: broken'), file: undefined };
    expect(chooseSecondRuns([good, outside])).toEqual([]);
    expect(sumUp([good, outside])).toMatchObject({ passed: 2, failed: ['x > outside of any test: broken'] });
  });
});
