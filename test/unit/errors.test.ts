// The facts that errors carry to the one place that prints them.
import { expect, test } from 'vitest';
import { exitStatus, SpawnFcgiError, SyscallError } from '../../src/core/errors.ts';

test('an error is a refusal without hints unless it says otherwise', () => {
  const error = new SpawnFcgiError('no socket given');
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'SpawnFcgiError',
    message: 'no socket given',
    exitCode: 255,
    hints: [],
    cause: undefined,
  });
});

test('an error keeps its status, hints and cause', () => {
  const cause = new Error('below');
  const error = new SpawnFcgiError('exec failed', { exitCode: 8, hints: ['a', 'b'], cause });
  expect(error).toMatchObject({ exitCode: 8, hints: ['a', 'b'] });
  expect(error.cause).toBe(cause);
});

test('a status of 0 is a status, not the default', () => {
  expect(new SpawnFcgiError('x', { exitCode: 0 }).exitCode).toBe(0);
});

test('a failed system call names the call and the number', () => {
  const error = new SyscallError('chroot', 13, 'Permission denied');
  expect(error).toMatchObject({
    name: 'SyscallError',
    message: 'Permission denied',
    syscall: 'chroot',
    errno: 13,
  });
});

test('the exit statuses with a meaning are those that users were promised', () => {
  expect(exitStatus).toStrictEqual({ ok: 0, failed: 1, startLimit: 75, notReady: 75, refused: 255 });
});
