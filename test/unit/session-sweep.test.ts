// What a dead worker left of its session gets TERM, and KILL at the deadline; afterwards nobody looks any more.
import { beforeEach, describe, expect, test } from 'vitest';
import { SessionSweep } from '../../src/supervisor/ending/session-sweep.ts';
import { FakeMachine, type ManualClock } from '../helpers/models/index.ts';

let machine: FakeMachine;
let clock: ManualClock;
let sweep: SessionSweep;

beforeEach(() => {
  machine = new FakeMachine();
  clock = machine.clock;
  sweep = new SessionSweep(clock, machine.sessions, machine.log, 9000, () => undefined);
});

/** A worker with children that has just died; the result is its PID, then theirs. */
function deadWorker(...children: Parameters<FakeMachine['fork']>[1][]): [number, ...number[]] {
  const worker = machine.spawner.spawn(1);
  if (!('pid' in worker)) throw new Error('no spawn');
  const pids = children.map((habits) => machine.fork(worker.pid, habits));
  machine.end(worker.pid, { kind: 'signaled', signal: 9 });
  machine.takeJournal();
  return [worker.pid, ...pids];
}

test('a session without members costs no look and no timer', () => {
  const [worker] = deadWorker();
  sweep.add(worker);
  expect(clock.pending).toBe(0);
  expect(sweep.pending).toStrictEqual([]);
  expect(machine.journal).toStrictEqual([]);
});

test('children of the dead worker get TERM at once', () => {
  const [worker, one, two] = deadWorker({}, {});
  sweep.add(worker);
  expect(machine.journal).toStrictEqual([`SIGTERM ${one} ${two}`, 'log session-left']);
  expect(machine.events).toStrictEqual([{ event: 'session-left', session: worker, pids: [one, two] }]);
  clock.advance(20);
  expect(clock.pending).toBe(0);
  expect(sweep.pending).toStrictEqual([]);
});

test('looks go on while they show nobody and are not certain, until the stop timeout', () => {
  const [worker, child] = deadWorker({});
  machine.isBlind = true;
  sweep.add(worker);
  clock.advance(5000);
  expect(sweep.pending).toStrictEqual([worker]);
  machine.isBlind = false;
  clock.advance(500);
  expect(machine.journal).toStrictEqual([`SIGTERM ${child}`]);
  clock.advance(500);
  expect(clock.pending).toBe(0);
});

test('who cannot be seen until the stop timeout is not looked for any more', () => {
  const [worker] = deadWorker({});
  machine.isBlind = true;
  sweep.add(worker);
  clock.advance(9500);
  expect(clock.pending).toBe(0);
  expect(sweep.pending).toStrictEqual([]);
});

test('what may not be signalled is named once at the stop timeout, and nobody looks at it any more', () => {
  const [worker, child] = deadWorker({ isForeign: true });
  sweep.add(worker);
  clock.advance(9500);
  expect(machine.events.slice(1)).toStrictEqual([
    { event: 'warning', message: `may not end PID ${child}, left of a worker: Operation not permitted` },
  ]);
  expect(clock.pending).toBe(0);
  expect(sweep.pending).toStrictEqual([]);
});

test('of a session only what could be signalled is said to be killed', () => {
  const [worker, own, foreign] = deadWorker({ ignoresTerm: true }, { isForeign: true });
  sweep.add(worker);
  clock.advance(20_000);
  expect(machine.events.slice(1)).toStrictEqual([
    { event: 'killed', reason: '--stop-timeout', pids: [own] },
    { event: 'warning', message: `may not end PID ${foreign}, left of a worker: Operation not permitted` },
  ]);
  expect(clock.pending).toBe(0);
});

test('what ignores TERM gets KILL after the stop timeout, not before', () => {
  const [worker, child] = deadWorker({ ignoresTerm: true });
  sweep.add(worker);
  machine.takeJournal();
  clock.advance(8999);
  expect(machine.journal).toStrictEqual([]);
  expect(sweep.pending).toStrictEqual([worker]);
  clock.advance(501);
  expect(machine.journal).toStrictEqual([`SIGKILL ${child}`, 'log killed']);
  expect(machine.events.at(-1)).toStrictEqual({ event: 'killed', reason: '--stop-timeout', pids: [child] });
  clock.advance(500);
  expect(clock.pending).toBe(0);
});

test('each session has its own deadline', () => {
  const [first, firstChild] = deadWorker({ ignoresTerm: true });
  sweep.add(first);
  clock.advance(6000);
  const [second, secondChild] = deadWorker({ ignoresTerm: true });
  sweep.add(second);
  machine.takeJournal();
  clock.advance(4000);
  expect(machine.takeJournal()).toStrictEqual([`SIGKILL ${firstChild}`, 'log killed']);
  clock.advance(4999);
  clock.advance(501);
  expect(machine.takeJournal()).toStrictEqual([`SIGKILL ${secondChild}`, 'log killed']);
});

test('the looks at several sessions are one series', () => {
  for (let count = 0; count < 3; count++) {
    sweep.add(deadWorker({ ignoresTerm: true })[0]);
    expect(clock.pending).toBe(1);
    clock.advance(7);
  }
});

test('only what ignores TERM is killed', () => {
  const [worker, , stubborn] = deadWorker({}, { ignoresTerm: true });
  sweep.add(worker);
  clock.advance(10_000);
  expect(machine.events.at(-1)).toStrictEqual({
    event: 'killed',
    reason: '--stop-timeout',
    pids: [stubborn],
  });
});

test('a process that not even KILL ends is reported once, not at every look', () => {
  const [worker] = deadWorker({ isStuck: true });
  sweep.add(worker);
  clock.advance(60_000);
  expect(machine.events.filter(({ event }) => event === 'killed')).toHaveLength(1);
});

test('a process that was stuck and is gone at last ends the looks', () => {
  const [worker, child = 0] = deadWorker({ isStuck: true });
  sweep.add(worker);
  clock.advance(20_000);
  expect(sweep.pending).toStrictEqual([worker]);
  machine.vanish(child);
  clock.advance(500);
  expect(sweep.pending).toStrictEqual([]);
  expect(clock.pending).toBe(0);
});

test('the looks at what is ending become rarer, from 20 ms to half a second', () => {
  let looks = 0;
  const signalLeftovers = machine.sessions.signalLeftovers.bind(machine.sessions);
  sweep.add(deadWorker({ ignoresTerm: true })[0]);
  machine.sessions.signalLeftovers = (leaders, signal) => {
    looks++;
    return signalLeftovers(leaders, signal);
  };
  clock.advance(19);
  expect(looks).toBe(0);
  clock.advance(1);
  expect(looks).toBe(1);
  clock.advance(40);
  expect(looks).toBe(2);
  clock.advance(8900);
  expect(looks).toBeLessThan(25);
});

describe('a cancelled sweep', () => {
  test('leaves no timer, and names what its owner has to end', () => {
    const [ending] = deadWorker({ ignoresTerm: true });
    sweep.add(ending);
    sweep.cancel();
    expect(clock.pending).toBe(0);
    expect(sweep.pending).toStrictEqual([ending]);
    machine.takeJournal();
    clock.advance(60_000);
    expect(machine.journal).toStrictEqual([]);
  });
});
