// Workers that are stopped while they serve nobody (src/sys/session/held-sessions.ts): nobody's request waits in one, whole
// sessions stop and go on, and what else becomes of them is seen.
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { heldSessions } from '../../src/sys/session/held-sessions.ts';
import { SessionFreezer } from '../../src/sys/session/session-freeze.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';

const program = compileC(fixture('session-worker.c'));
const proc = sys.openProc();
type Held = ReturnType<typeof heldSessions>;

async function place(
  kind: 'unix' | 'tcp',
): Promise<{ socket: sys.Listening; freezer: SessionFreezer; held: Held }> {
  const socket = await sys.listenSomewhere(kind);
  // A client that says nothing is at work.
  const freezer = new SessionFreezer(proc, socket, 3_600_000);
  return { socket, freezer, held: heldSessions(proc, freezer) };
}

/** Once all its processes rest. */
async function startIdle(socket: sys.Listening, actions: string[], processes = 1): Promise<number> {
  const worker = sys.startWorker(socket, [program, ...actions]);
  await machine.waitFor('an idle worker', () => {
    const members = machine.sessionMembers(worker);
    return members.length === processes && members.every((pid) => sys.stateOf(pid) === 'S');
  });
  return worker;
}

/** On a busy machine an attempt may take too long. */
async function hold(held: Held, worker: number): Promise<void> {
  await machine.waitFor('its stop', () => held.hold(worker) === 'signalled');
}

/** Sends a line at once; resolves with who answered. */
function ask({ target }: sys.Listening): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  const client = connect(target, () => client.write('\n'));
  client.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  client.once('error', reject);
  client.once('close', () => resolve(answer));
  machine.atEnd(() => void client.destroy());
  return promise;
}

describe.for(['unix', 'tcp'] as const)('on a %s socket', (kind) => {
  test('who connects while a worker is stopped is served when it goes on', async () => {
    const { socket, held } = await place(kind);
    const worker = await startIdle(socket, ['serve']);
    await hold(held, worker);
    expect(sys.stateOf(worker)).toBe('T');
    const answer = ask(socket);
    expect(held.isReleased(worker)).toBe(false);
    expect(held.wake(worker)).toBe(true);
    expect(await answer).toBe(`${worker}\n`);
  });

  test('a worker with a connection goes on', async () => {
    const { socket, freezer, held } = await place(kind);
    const worker = await startIdle(socket, ['serve']);
    const client = connect(socket.target);
    machine.atEnd(() => void client.destroy());
    await machine.waitFor('the connection', () => freezer.isAtWork(worker));
    expect(held.hold(worker)).toBe('busy');
    expect(sys.stateOf(worker)).not.toBe('T');
    client.write('\n');
    await machine.waitFor('an idle moment', () => held.hold(worker) === 'signalled');
  });

  test('no request is ever caught in one that is stopped', async () => {
    const { socket, held } = await place(kind);
    const worker = await startIdle(socket, ['threads=3', 'serve']);
    for (let round = 0; round < 100; round++) {
      const answer = ask(socket);
      // The connection comes at any moment of the attempt.
      await machine.waitFor('an idle moment', () => held.hold(worker) === 'signalled', { intervalMs: 0 });
      // Whoever was accepted is answered by now, or his request is whole in the queue.
      held.wake(worker);
      expect(await answer).toBe(`${worker}\n`);
    }
  });
});

test.each([
  ['several threads', ['threads=4', 'spin=1', 'serve'], 1],
  ['a child', ['fork', 'serve', 'then', 'sleep'], 2],
  ['a child in a group of its own', ['fork-group', 'serve', 'then', 'sleep'], 2],
] as const)('a session with %s stops and goes on as a whole', async (_what, actions, processes) => {
  const { socket, held } = await place('unix');
  const worker = sys.startWorker(socket, [program, ...actions]);
  await machine.waitFor('all of it', () => machine.sessionMembers(worker).length === processes);
  await hold(held, worker);
  const members = machine.sessionMembers(worker);
  expect(members.map(sys.stateOf)).toEqual(members.map(() => 'T'));
  held.wake(worker);
  await machine.waitFor('its going on', () => members.every((pid) => sys.stateOf(pid) !== 'T'));
  expect(await ask(socket)).toMatch(/^\d+\n$/);
});

test('one that somebody else lets go on is released, one that has died is not', async () => {
  const { socket, held } = await place('unix');
  const [worker, other] = [await startIdle(socket, ['serve']), await startIdle(socket, ['serve'])];
  for (const pid of [worker, other]) await hold(held, pid);
  process.kill(worker, 'SIGCONT');
  await machine.waitFor('its going on', () => held.isReleased(worker));
  process.kill(other, 'SIGKILL');
  await machine.waitFor('its end', () => sys.stateOf(other) === 'Z');
  expect(held.isReleased(other)).toBe(false);
  expect(held.wake(other)).toBe(false);
});

test('one that was told to end meanwhile is no good, and ends', async () => {
  const { socket, held } = await place('unix');
  const worker = await startIdle(socket, ['serve']);
  await hold(held, worker);
  process.kill(worker, 'SIGTERM');
  expect(held.wake(worker)).toBe(false);
  expect(await sys.waitForExit(worker)).toEqual({ signal: 15, status: 0 });
});

test('one of another user is left alone', async (ctx) => {
  machine.needRoot(ctx);
  const { socket, held } = await place('unix');
  const worker = await startIdle(socket, ['serve']);
  expect(sys.asUser(machine.NOBODY, () => held.hold(worker))).toBe('unknown');
  expect(sys.stateOf(worker)).toBe('S');
});

test('without /proc nobody is', async () => {
  const { socket } = await place('unix');
  const worker = await startIdle(socket, ['serve']);
  const blind = heldSessions(undefined, new SessionFreezer(undefined, socket));
  expect(blind.hold(worker)).toBe('unknown');
  expect(sys.stateOf(worker)).toBe('S');
});
