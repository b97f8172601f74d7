// What src/sys/proc/waiting.ts says of programs that wait in every way there is, and of those that it may not
// look into.
import { chmodSync, chownSync, copyFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readinessOf } from '../../src/sys/proc/waiting.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { atEnd, needRoot, makeTempDir, NOBODY, waitFor } from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';

const program = compileC(fixture('waiting-worker.c'));
const proc = sys.openProc();

const waits = [
  'accept',
  'accept4',
  'poll',
  'ppoll',
  'select',
  'pselect',
  'select-all',
  'epoll',
  'thread',
  'child',
] as const;

describe.for(['unix', 'tcp'] as const)('on a %s socket', (kind) => {
  test.for(waits)('a program that waits by %s is ready', async (way) => {
    const socket = await sys.listenSomewhere(kind);
    const worker = sys.startWorker(socket, [program, way]);
    await waitFor('readiness', () => readinessOf(proc, worker, socket) === 'yes');
  });

  test('a program that has accepted a connection is ready', async () => {
    const socket = await sys.listenSomewhere(kind);
    const worker = sys.startWorker(socket, [program, 'held']);
    visit(socket);
    await waitFor(
      'readiness',
      () => sys.stateOf(worker) === 'S' && readinessOf(proc, worker, socket) === 'yes',
    );
  });
});

test('the greatest number of descriptors for select costs no memory', async () => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [program, 'select-most']);
  await waitFor('readiness', () => readinessOf(proc, worker, socket) === 'yes');
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
  onTestFinished(() => allocate.mockRestore());
  expect(readinessOf(proc, worker, socket)).toBe('yes');
  for (const [length] of allocate.mock.calls) expect(length).toBeLessThan(2 ** 16);
});

test('a program in poll is still ready after it was stopped and continued', async () => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [program, 'poll']);
  await waitFor('readiness', () => readinessOf(proc, worker, socket) === 'yes');
  process.kill(worker, 'SIGSTOP');
  await waitFor('the stop', () => sys.stateOf(worker) === 'T');
  process.kill(worker, 'SIGCONT');
  await waitFor(
    'readiness',
    () => sys.stateOf(worker) === 'S' && readinessOf(proc, worker, socket) === 'yes',
  );
});

test.for(['sleep', 'poll-other'])('a program that waits by %s is plainly not ready', async (way) => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [program, way]);
  await waitForCall(worker);
  expect(readinessOf(proc, worker, socket)).toBe('no');
});

test('a program that waits on another socket is not ready on ours', async () => {
  const [socket, other] = [await sys.listenSomewhere('unix'), await sys.listenSomewhere('unix')];
  const worker = sys.startWorker(other, [program, 'accept']);
  await waitFor('readiness', () => readinessOf(proc, worker, other) === 'yes');
  expect(readinessOf(proc, worker, socket)).toBe('no');
});

test('a program in io_uring_enter may wait or not', async (ctx) => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [program, 'io_uring']);
  await waitFor('the call or the end', () => /^426 |^$/.test(callOf(worker)) || sys.stateOf(worker) === 'Z');
  ctx.skip(sys.stateOf(worker) === 'Z', 'needs io_uring');
  expect(readinessOf(proc, worker, socket)).toBe('unknown');
});

test('a 32-bit program, whose calls have other numbers, may wait or not', async (ctx) => {
  ctx.skip(process.arch !== 'x64', 'needs x86-64');
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [compileC(accept32, { flags: ['-m32', '-nostdlib', '-static'] })]);
  await waitFor(
    'the call or the end',
    () => callOf(worker).startsWith('364 ') || sys.stateOf(worker) === 'Z',
  );
  ctx.skip(sys.stateOf(worker) === 'Z', 'needs a kernel that runs 32-bit programs');
  expect(readinessOf(proc, worker, socket)).toBe('unknown');
});

test('a program without read permission may wait or not for a supervisor that is not root', async (ctx) => {
  needRoot(ctx);
  const socket = await sys.listenSomewhere('unix');
  const hidden = join(makeTempDir(), 'hidden');
  copyFileSync(program, hidden);
  chmodSync(hidden, 0o711);
  const worker = sys.asUser(NOBODY, () => sys.startWorker(socket, [hidden, 'accept']));
  await waitFor('readiness', () => readinessOf(proc, worker, socket) === 'yes');
  expect(sys.asUser(NOBODY, () => readinessOf(proc, worker, socket))).toBe('unknown');
});

test('a supervisor that is not root sees into a program of its own user', async (ctx) => {
  needRoot(ctx);
  const socket = await sys.listenSomewhere('tcp');
  const own = join(makeTempDir(), 'own');
  copyFileSync(program, own);
  chownSync(own, NOBODY, NOBODY);
  const worker = sys.asUser(NOBODY, () => sys.startWorker(socket, [own, 'poll']));
  await waitFor('readiness', () => sys.asUser(NOBODY, () => readinessOf(proc, worker, socket)) === 'yes');
});

test('without /proc nothing is known', async () => {
  const socket = await sys.listenSomewhere('unix');
  expect(readinessOf(undefined, sys.startWorker(socket, [program, 'accept']), socket)).toBe('unknown');
});

test('a worker that has ended is not ready', async () => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [program]);
  await waitFor('the end', () => sys.stateOf(worker) === 'Z');
  expect(readinessOf(proc, worker, socket)).toBe('no');
});

/** accept4(0, NULL, NULL, 0) by the numbers of 32-bit x86. */
const accept32 = `
void _start(void) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(364), "b"(0), "c"(0), "d"(0), "S"(0) : "memory");
  __asm__ volatile("int $0x80" : : "a"(1), "b"(result));
}`;

function callOf(pid: number): string {
  return proc.readText(`${pid}/syscall`) ?? '';
}

/** The program has been executed and sleeps in some call. */
function waitForCall(pid: number): Promise<true> {
  return waitFor('a call', () => sys.stateOf(pid) === 'S' && /^(230|35|115|101|7|73) /.test(callOf(pid)));
}

function visit({ target }: sys.Listening): void {
  const connection = connect(target);
  connection.on('error', () => undefined);
  atEnd(() => {
    connection.destroy();
  });
}
