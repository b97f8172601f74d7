// The timer of all endings: a failure in it must not leave a worker without its deadline.
import { expect, test } from 'vitest';
import { DueTimer } from '../../src/supervisor/ending/due-timer.ts';
import { ManualClock } from '../helpers/models/index.ts';

test('a run that fails is tried again after a pause, and not at once', () => {
  const clock = new ManualClock();
  let runs = 0;
  const timer = new DueTimer(
    clock,
    () => (runs < 3 ? 5010 : Number.POSITIVE_INFINITY),
    () => {
      runs += 1;
      if (runs < 3) throw new Error('odd worker');
      timer.renew();
    },
  );
  timer.renew();
  expect(() => clock.advance(10)).toThrow('odd worker');
  clock.advance(100);
  expect(runs).toBe(1);
  expect(() => clock.advance(150)).toThrow('odd worker');
  clock.advance(1000);
  expect(runs).toBe(3);
});

test('one that is due later than its run ends is armed by whoever renews it alone', () => {
  const clock = new ManualClock();
  let runs = 0;
  const timer = new DueTimer(
    clock,
    () => 5010 + runs * 1000,
    () => void (runs += 1),
  );
  timer.renew();
  clock.advance(5000);
  expect(runs).toBe(1);
});
