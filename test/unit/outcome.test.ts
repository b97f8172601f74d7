// Which files of a test run get a second run, alone: what may be the neighbours' doing does, what was counted does not.
import { describe, expect, test } from 'vitest';
import { chooseSecondRuns, isCleared, settle, sumUp, type FileOutcome } from '../helpers/test-run/index.ts';

const file = (name: string, group: string, ...failed: string[]): FileOutcome => ({
  file: `test/${name}.test.ts`,
  group,
  passed: 1,
  failed: failed.map((one) => `${name} > ${one}`),
  skipped: [],
  ran: 1 + failed.length,
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

describe('a file that failed', () => {
  const first = file('e2e/a', 'e2e', 'one');
  const second = (passed: number, facts: Partial<FileOutcome> = {}): FileOutcome[] => [
    { ...file('e2e/a', 'e2e'), passed, ran: passed, ...facts },
  ];
  const skipped = [{ name: 'e2e/a > one', reason: 'no nginx' }];

  test('is cleared by a second run that passes all that had run', () => {
    expect(isCleared(first, second(2))).toBe(true);
    expect(settle(first, second(2))).toEqual(second(2));
  });

  test.for([
    ['skips all of it', second(0, { skipped: [...skipped, ...skipped] })],
    ['passes the rest, and skips what had failed', second(1, { skipped })],
    ['finds no test', []],
  ] as const)('stays so after a second run that %s', ([, seconds]) => {
    expect(isCleared(first, seconds)).toBe(false);
    expect(settle(first, seconds)).toEqual([first]);
  });

  test('counts by its second run where that fails', () => {
    const failed = second(1, { failed: ['e2e/a > two'] });
    expect(isCleared(first, failed)).toBe(false);
    expect(settle(first, failed)).toEqual(failed);
  });

  test('outside of any test needs as many as had run to pass, and one at least', () => {
    const outside = { ...first, passed: 0, failed: ['e2e/a'], ran: 0 };
    expect(isCleared(outside, second(0, { skipped }))).toBe(false);
    expect(isCleared(outside, second(1))).toBe(true);
    expect(isCleared({ ...outside, passed: 2, ran: 2 }, second(2))).toBe(true);
  });
});
