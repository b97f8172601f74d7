// How long `spawn-fcgictl request` waits for a server.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Patience, type Limit } from '../../src/ctl/request/patience.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function startPatience(limit: Limit): { patience: Patience; isOver: () => boolean } {
  const over = vi.fn<() => void>();
  return { patience: new Patience(limit, over), isOver: () => over.mock.calls.length > 0 };
}

/** The timers' own turn comes after those of what has arrived. */
const turnMs = 5;

test('a deadline is for all of it, whatever comes meanwhile', () => {
  const { patience, isOver } = startPatience({ kind: 'deadline', ms: 1000 });
  for (let count = 0; count < 9; count += 1) {
    vi.advanceTimersByTime(100);
    patience.heard();
  }
  expect(isOver()).toBe(false);
  vi.advanceTimersByTime(100 + turnMs);
  expect(isOver()).toBe(true);
});

test('without one it is over when nothing has come for that long', () => {
  const { patience, isOver } = startPatience({ kind: 'silence', ms: 1000 });
  for (let count = 0; count < 9; count += 1) {
    vi.advanceTimersByTime(900);
    patience.heard();
  }
  vi.advanceTimersByTime(990);
  expect(isOver()).toBe(false);
  vi.advanceTimersByTime(10 + turnMs);
  expect(isOver()).toBe(true);
});

test("time in which we could not listen is not the server's", () => {
  const { patience, isOver } = startPatience({ kind: 'deadline', ms: 1000 });
  vi.advanceTimersByTime(500);
  patience.excuse(300);
  vi.advanceTimersByTime(600 + turnMs);
  expect(isOver()).toBe(false);
  vi.advanceTimersByTime(200 + turnMs);
  expect(isOver()).toBe(true);
});

test('nothing is left to wait for at the end', () => {
  const { patience, isOver } = startPatience({ kind: 'deadline', ms: 10 });
  patience.end();
  vi.advanceTimersByTime(1000);
  expect(isOver()).toBe(false);
  expect(vi.getTimerCount()).toBe(0);
});
