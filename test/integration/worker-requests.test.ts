// What is seen of a worker's requests from outside: whether one is in progress, whether it is still the same one, who is at
// work on it and where, and that nobody else is signalled (docs/stuck-requests.md).
import { describe, expect, test } from 'vitest';
import { callsOf } from '../../src/sys/proc/process-calls.ts';
import * as processes from '../../src/sys/session/request-processes.ts';
import { WorkerRequests } from '../../src/sys/session/worker-requests.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as sys from '../helpers/sys/index.ts';
import { holdAt, KeptClient } from '../helpers/web/index.ts';

const echo = compileC(fixture('plain-echo.c'));
const proc = sys.openProc();

describe.for(['tcp', 'unix'] as const)('on a %s socket', (kind) => {
  async function start(): Promise<{ client: KeptClient; look: () => Look; requests: WorkerRequests }> {
    const socket = await sys.listenSomewhere(kind);
    const worker = sys.startWorker(socket, [echo]);
    const { target } = socket;
    const client = new KeptClient('path' in target ? { socketPath: target.path } : target);
    const requests = new WorkerRequests(proc, socket);
    machine.atEnd(() => requests.close());
    return { client, requests, look: () => lookAt(requests, worker) };
  }

  test('a request is at work until its answer, then its connection waits for the client', async () => {
    const { client, look } = await start();
    const fifo = `${machine.makeTempDir()}/hold`;
    const { reply, release } = await holdAt(fifo, () => client.ask(`hold=${fifo}`));
    await machine.waitFor('the request', () => look().work === 'request');
    release();
    await reply;
    await machine.waitFor('its end', () => look().work === 'client');
  });

  test('a request in progress is the same at each look, however often its program wakes up', async () => {
    const { client, look } = await start();
    void client.ask('sleep=60000').catch(() => undefined);
    await machine.waitFor('the request', () => look().work === 'request');
    look();
    const looks = Array.from({ length: 50 }, () => look());
    expect(new Set(looks.map(({ isTouched }) => isTouched))).toEqual(new Set([false]));
    if (kind === 'tcp') expect(looks[0]?.quietMs).toBeDefined();
  });

  test('the next request on a kept connection is another one', async () => {
    const { client, look } = await start();
    await client.ask('first');
    await machine.waitFor('the connection', () => look().work === 'client');
    look();
    const before = await machine.waitFor('a while', () => {
      const now = look();
      return (now.quietMs ?? 1000) >= 1000 && now;
    });
    await client.ask('second');
    const after = look();
    if (kind === 'unix') expect([before.isTouched, after.isTouched]).toEqual([false, true]);
    else expect(after.quietMs).toBeLessThan(before.quietMs ?? 0);
  });

  test('what has come and was not read yet is a request', async () => {
    const { client, look } = await start();
    await client.ask('first');
    await machine.waitFor('the connection', () => look().work === 'client');
    const [worker = 0] = look().holders;
    process.kill(worker, 'SIGSTOP');
    const answer = client.ask('second');
    await machine.waitFor('the second request', () => look().work === 'request');
    process.kill(worker, 'SIGCONT');
    expect(await answer).toContain('second');
  });
});

test('a client that hangs up makes no new request of one that is in progress', async () => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [echo]);
  const client = new KeptClient({ socketPath: sys.pathOf(socket) });
  const requests = new WorkerRequests(proc, socket);
  machine.atEnd(() => requests.close());
  void client.ask('sleep=60000').catch(() => undefined);
  await machine.waitFor('the request', () => lookAt(requests, worker).work === 'request');
  lookAt(requests, worker);
  client.close();
  await machine.waitFor('the end of the connection', () => client.isClosed);
  expect(lookAt(requests, worker)).toMatchObject({ work: 'request', isTouched: false });
});

test('watching a connection does not keep it open', async () => {
  const socket = await sys.listenSomewhere('unix');
  const worker = sys.startWorker(socket, [echo]);
  const client = new KeptClient({ socketPath: sys.pathOf(socket) });
  const requests = new WorkerRequests(proc, socket);
  machine.atEnd(() => requests.close());
  await client.ask('first');
  await machine.waitFor('the connection', () => lookAt(requests, worker).holders.length === 1);
  process.kill(worker, 'SIGKILL');
  await machine.waitFor('the end of the connection', () => client.isClosed);
});

describe('the processes on a request', () => {
  /** A leader with two children, who have one each; any of them may be said to hold the connection. */
  async function startFamily(): Promise<Family> {
    const script = "sh -c 'sleep 1000; :' & sh -c 'sleep 1000; :' & wait";
    const leader = sys.startWorker(await sys.listenSomewhere('unix'), ['/bin/sh', '-c', script]);
    const members = await machine.waitFor('the family', () => {
      const all = membersOf(leader);
      return all.filter((pid) => proc.stat(pid)?.comm === 'sleep').length === 2 && all;
    });
    const parents = new Map(members.map((pid) => [pid, proc.stat(pid)?.parent ?? 0]));
    const childOf = (parent: number): number => members.find((pid) => parents.get(pid) === parent) ?? 0;
    return { leader, members, child: childOf(leader), grandchild: childOf(childOf(leader)) };
  }

  test('are who holds the connection and what those have started, and the worker only if its leader holds it', async () => {
    const { leader, members, child, grandchild } = await startFamily();
    const some = processes.processesOn(proc, leader, members, new Set([child]));
    expect(some?.members.map(({ pid }) => pid)).toEqual([child, grandchild]);
    expect(some).toMatchObject({ isWhole: false, parent: { pid: leader, children: 2 } });
    const all = processes.processesOn(proc, leader, members, new Set([leader]));
    expect(all?.members.length).toBe(5);
    expect(all).toMatchObject({ isWhole: true, parent: undefined });
  });

  test('are killed, and nobody beside them', async () => {
    const { leader, members, child } = await startFamily();
    const found = processes.processesOn(proc, leader, members, new Set([child]));
    if (!found) throw new Error('nobody');
    expect(processes.killTree(proc, found).sent.length).toBe(2);
    const rest = await machine.waitFor('their end', () => {
      const left = members.filter((pid) => machine.isAlive(pid));
      return left.length === 3 && left;
    });
    expect(rest).not.toContain(child);
    expect(rest).toContain(leader);
  });

  test('do not include what a request has left in the background', async () => {
    const { leader, members, child, grandchild } = await startFamily();
    process.kill(child, 'SIGKILL');
    await machine.waitFor('another parent', () => proc.stat(grandchild)?.parent !== child);
    expect(processes.processesOn(proc, leader, members, new Set([grandchild]))).toBeUndefined();
  });

  test('are not signalled when their number is another process by now', async () => {
    const { leader, members } = await startFamily();
    const found = processes.processesOn(proc, leader, members, new Set([leader]));
    const others = (found?.members ?? []).map((stat) => ({ ...stat, startTime: '1' }));
    expect(processes.signalEach(proc, leader, others, 'SIGKILL')).toEqual({ sent: [], refused: [] });
    expect(processes.signalEach(proc, leader + 1, found?.members ?? [], 'SIGKILL').sent).toEqual([]);
    expect(members.every((pid) => machine.isAlive(pid))).toBe(true);
  });

  test('heed a signal that they catch, or that makes them write a core', async () => {
    const { leader, members } = await startFamily();
    const found = processes.processesOn(proc, leader, members, new Set([leader]));
    if (!found) throw new Error('nobody');
    expect(processes.whoHeeds(proc, found, 'SIGUSR1')).toEqual([]);
    expect(processes.whoHeeds(proc, found, 'SIGABRT').length).toBe(5);
  });
});

test('where a process is in the kernel is told by name', async () => {
  const worker = sys.startWorker(await sys.listenSomewhere('unix'), ['/bin/sleep', '1000']);
  const [call] = await machine.waitFor('its sleep', () => {
    const calls = callsOf(proc, worker);
    return calls[0]?.wchan !== undefined && calls[0].call !== undefined && calls;
  });
  expect(call).toMatchObject({ pid: worker, name: 'sleep', state: 'S', call: 'clock_nanosleep', threads: 1 });
  expect(call?.wchan).toMatch(/nanosleep/);
  if (machine.isRoot) expect(call?.stack?.join(' ')).toMatch(/nanosleep/);
});

/** Processes of the session. */
function membersOf(leader: number): number[] {
  return proc.sessionMembers(new Set([leader])).map(({ pid }) => pid);
}

interface Family {
  readonly leader: number;
  readonly members: readonly number[];
  readonly child: number;
  readonly grandchild: number;
}

interface Look {
  readonly work: 'request' | 'client' | 'none';
  readonly isTouched: boolean;
  readonly quietMs: number | undefined;
  readonly holders: readonly number[];
}

/** Of a worker with one connection. */
function lookAt(requests: WorkerRequests, worker: number): Look {
  const held = requests.held(membersOf(worker));
  const [connection] = held.connections;
  if (!connection) return { work: 'none', isTouched: true, quietMs: undefined, holders: [] };
  return {
    isTouched: connection.isTouched,
    work: requests.isRequest(connection, held) ? 'request' : 'client',
    quietMs: connection.holders[0]?.connection.ageMs,
    holders: connection.holders.map(({ pid }) => pid),
  };
}
