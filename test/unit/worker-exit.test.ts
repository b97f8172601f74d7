// What waitpid's status word says, and 1.6's words for it.
import { expect, test } from 'vitest';
import { decodeWaitStatus, describeChildDeath } from '../../src/core/worker-exit.ts';

test.each([
  [0x0000, 0],
  [0x0100, 1],
  [0x7f00, 127],
  [0xff00, 255],
])('the word %i is an exit with status %i', (word, status) => {
  expect(decodeWaitStatus(word)).toStrictEqual({ kind: 'exited', status });
});

test.each([
  [0x0009, 9],
  [0x000f, 15],
  [0x0040, 64],
])('the word %i is a death of signal %i', (word, signal) => {
  expect(decodeWaitStatus(word)).toStrictEqual({ kind: 'signaled', signal });
});

test('a core dump does not change the signal', () => {
  expect(decodeWaitStatus(0x008b)).toStrictEqual({ kind: 'signaled', signal: 11 });
});

test("a death is told in 1.6's words", () => {
  expect(describeChildDeath({ kind: 'exited', status: 3 })).toBe('child exited with: 3');
  expect(describeChildDeath({ kind: 'signaled', signal: 9 })).toBe('child signaled: 9');
});
