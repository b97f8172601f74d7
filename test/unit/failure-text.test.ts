// Failures that nobody has put into words: one line, whichever side they come from.
import { expect, test } from 'vitest';
import { errnoOf, SyscallError } from '../../src/core/errors.ts';
import { describeFailure } from '../../src/core/text/failure-text.ts';

const textOf = (errno: number): string => `text ${errno}`;

test('a failed system call of our own says which, and why', () => {
  const error = new SyscallError('pipe2', 23, 'Too many open files in system');
  expect(describeFailure(error, textOf)).toBe('pipe2 failed: text 23');
});

test("a failed call of Node's says on what, and its number is the kernel's", () => {
  const facts = { errno: -13, code: 'EACCES', syscall: 'open', path: '/run/x' };
  const error = Object.assign(new Error("EACCES: permission denied, open '/run/x'"), facts);
  expect(errnoOf(error)).toBe(13);
  expect(describeFailure(error, textOf)).toBe("open '/run/x' failed: text 13");
});

test('a mistake of ours is one line that says where', () => {
  const error = new TypeError('x is not a function\nreally');
  error.stack = 'TypeError: x is not a function\nreally\n    at start (spawn-fcgi.cjs:1:2)\n    at main';
  expect(describeFailure(error, textOf)).toBe(
    'unexpected error: x is not a function (at start (spawn-fcgi.cjs:1:2))',
  );
});

test.for([[undefined], [null], ['text'], [{ errno: 'EIO' }]])('%o has no number', ([error]) => {
  expect(errnoOf(error)).toBe(0);
});
