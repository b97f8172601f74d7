// The end of live workers on a fake machine: who gets which signal when, by method, by what is seen of its connections, and by
// the deadline; and how often somebody looks.
import { beforeEach, describe, expect, test } from 'vitest';
import type { StopMethod } from '../../src/core/config.ts';
import type { Deadline } from '../../src/supervisor/ending/ending.ts';
import { GracefulEnd } from '../../src/supervisor/ending/graceful-end.ts';
import { FakeMachine } from '../helpers/models/index.ts';

let machine: FakeMachine;
let stuck: number[];

beforeEach(() => {
  machine = new FakeMachine();
  stuck = [];
});

/** Workers of one program: `known` finishes its request on TERM. */
function spawn(
  count: number,
  habits: { readonly isKnown?: boolean; readonly ignoresTerm?: boolean; readonly isForeign?: boolean } = {},
): number[] {
  machine.workerHabits = { ...habits, needsIdleStop: !habits.isKnown };
  for (let index = 0; index < count; index++) machine.spawner.spawn(1);
  machine.takeJournal();
  return machine.spawned.slice(-count);
}

/** Dead workers are noticed at once. */
function create(method: StopMethod = 'auto'): GracefulEnd {
  const { clock, sessions, log } = machine;
  const ending = new GracefulEnd({
    clock,
    sessions,
    log,
    method,
    queued: () => machine.queued,
    slotOf: (leader) => leader - 101,
    onLeft: (leader) => void stuck.push(leader),
  });
  machine.onChildEnd = (pid, exit) => ending.leaderEnded(pid, exit);
  return ending;
}

/** TERM after that long at the latest, KILL a second later. */
function within(ms: number, isReplaced = true): Deadline {
  const termAtMs = machine.clock.nowMs() + ms;
  return { termAtMs, killAtMs: termAtMs + 1000, isReplaced };
}

/** In the stop of a pool somebody else kills. */
function stopWithin(ms: number): Deadline {
  return { ...within(ms, false), killAtMs: Number.POSITIVE_INFINITY };
}

/** What happens while time passes, each line with its millisecond; deaths are noticed at once. */
function watch(ms: number): string[] {
  const startMs = machine.clock.nowMs();
  const lines = machine.takeJournal().map((line) => `0: ${line}`);
  while (machine.clock.nowMs() - startMs < ms) {
    machine.clock.advance(1);
    for (const line of machine.takeJournal()) lines.push(`${machine.clock.nowMs() - startMs}: ${line}`);
  }
  return lines;
}

/** What is written down of the request of worker 101. */
function cut(facts: { readonly ageMs: number; readonly reason?: string }): object {
  const where = { event: 'request-cut', slot: 0, workerPid: 101, connections: 1 };
  return { ...where, reason: '--stop-timeout', ...facts };
}

/** When somebody looked whether the worker is idle, in milliseconds from now. */
function looksWithin(ms: number): number[] {
  const startMs = machine.clock.nowMs();
  const looks: number[] = [];
  const endIdle = machine.sessions.endIdle.bind(machine.sessions);
  machine.sessions.endIdle = (leaders, how) => {
    looks.push(Math.round(machine.clock.nowMs() - startMs));
    return endIdle(leaders, how);
  };
  machine.clock.advance(ms);
  machine.sessions.endIdle = endIdle;
  return looks;
}

describe('an idle worker', () => {
  test.each([
    ['auto', true, true, 'idle replace 101'],
    ['auto', true, false, 'SIGTERM 101'],
    ['auto', false, true, 'idle replace 101'],
    ['auto', false, false, 'SIGTERM 101'],
    ['idle-kill', true, true, 'idle kill 101'],
    ['idle-kill', false, false, 'idle kill 101'],
    ['SIGQUIT', true, true, 'SIGQUIT 101'],
    ['SIGQUIT', false, false, 'SIGQUIT 101'],
  ] as const)('under %s, known: %s, replaced: %s, gets at once: %s', (method, isKnown, isReplaced, line) => {
    const leaders = spawn(1, { isKnown });
    create(method).end(leaders, within(9000, isReplaced));
    expect(machine.takeJournal()).toStrictEqual([line]);
    machine.reap();
    expect(machine.live).toStrictEqual([]);
    expect(machine.clock.pending).toBe(0);
  });

  test('that is still there a second after its TERM is killed at its next idle moment', () => {
    const ending = create();
    ending.end(spawn(1, { ignoresTerm: true }), within(9000));
    machine.takeJournal();
    machine.busy.add(101);
    expect(watch(1500)).toStrictEqual([]);
    machine.busy.delete(101);
    expect(watch(50).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['idle kill 101']);
  });

  test('in the stop of a pool may take until the deadline for its cleaning up', () => {
    create().end(spawn(1, { ignoresTerm: true }), stopWithin(8000));
    expect(watch(20_000)).toStrictEqual(['0: SIGTERM 101']);
  });

  test.each([
    ['in the stop of a pool', false],
    ['that is replaced', true],
  ])('%s, is killed when it waits for connections again 200 ms after its TERM', (_case, isReplaced) => {
    const deadline = isReplaced ? within(9000) : stopWithin(8000);
    create().end(spawn(2, { ignoresTerm: true }), deadline);
    machine.takeJournal();
    machine.waiting.add(102);
    expect(watch(199)).toStrictEqual([]);
    expect(watch(300)).toStrictEqual(['1: idle kill-waiting 102']);
  });

  test('that was taken back into service by its program is killed when it has answered and waits again', () => {
    create().end(spawn(1, { ignoresTerm: true }), stopWithin(8000));
    machine.waiting.add(101);
    machine.busy.add(101);
    expect(watch(2000)).toStrictEqual(['0: SIGTERM 101']);
    machine.busy.delete(101);
    const [line = '', ...more] = watch(60);
    expect(line).toMatch(/^\d\d?: idle kill-waiting 101$/);
    expect(more).toStrictEqual([]);
  });

  test('that waits again has its time until the deadline where the user has named the signal', () => {
    machine.waiting.add(101);
    create('SIGTERM').end(spawn(1, { ignoresTerm: true }), within(9000));
    expect(watch(10_000)).toStrictEqual(['0: SIGTERM 101', '10000: SIGKILL 101', '10000: log killed']);
  });
});

describe('a busy worker', () => {
  test('is looked at after 2 ms, then every 5 ms for 2 s, then after pauses that grow to 50 ms', () => {
    machine.busy.add(101);
    create().end(spawn(1), within(9000));
    const looks = looksWithin(2600);
    const pauses = looks.map((at, index) => at - (looks[index - 1] ?? 0));
    expect(pauses.slice(0, 4)).toStrictEqual([2, 3, 5, 5]);
    expect(Math.max(...pauses.filter((_, index) => (looks[index] ?? 0) < 2000))).toBe(5);
    expect(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0) - 1)).toBe(true);
    expect(pauses.slice(-3)).toStrictEqual([50, 50, 50]);
  });

  test('of an unknown program gets TERM at the deadline, and KILL a second later', () => {
    machine.busy.add(101);
    create().end(spawn(1, { ignoresTerm: true }), within(9000));
    expect(watch(10_000)).toStrictEqual([
      '9000: SIGTERM 101',
      '10000: SIGKILL 101',
      '10000: log killed',
      '10000: log request-cut',
    ]);
    expect(machine.events).toStrictEqual([
      { event: 'killed', reason: '--stop-timeout', pids: [101] },
      cut({ ageMs: 10_000 }),
    ]);
  });

  test('that would just die of TERM is killed when its time is over, and gets no TERM', () => {
    machine.busy.add(101);
    create().end(spawn(1), within(9000));
    expect(watch(10_000)).toStrictEqual(['9000: SIGKILL 101', '9000: log killed', '9000: log request-cut']);
  });

  test('that would just die of TERM has all of its time in the stop of a pool too', () => {
    machine.busy.add(101);
    create().end(spawn(1), stopWithin(8000));
    expect(watch(8990)).toStrictEqual([]);
    machine.busy.delete(101);
    expect(watch(60).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['SIGTERM 101']);
  });

  test('of a known program gets TERM after two seconds, and KILL when it is over its deadline', () => {
    machine.busy.add(101);
    create().end(spawn(1, { isKnown: true, ignoresTerm: true }), within(9000));
    expect(watch(10_000)).toStrictEqual([
      '2000: SIGTERM 101',
      '10000: SIGKILL 101',
      '10000: log killed',
      '10000: log request-cut',
    ]);
  });

  test('of a known program gets no TERM while it waits for the rest of a request, and ends at its deadline', () => {
    machine.busy.add(101).add(102);
    machine.waitingForClient.add(101).add(102);
    create().end(spawn(2, { isKnown: true }), within(9000));
    expect(watch(3000)).toStrictEqual([]);
    machine.waitingForClient.delete(101);
    expect(watch(60).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['SIGTERM 101']);
    expect(watch(6000)).toContain('5940: SIGKILL 102');
  });

  test('of a known program gets TERM after half of a short deadline', () => {
    machine.busy.add(101);
    create().end(spawn(1, { isKnown: true }), within(1000));
    expect(watch(600)).toStrictEqual(['500: SIGTERM 101']);
  });

  test('under idle-kill gets no TERM, ever', () => {
    machine.busy.add(101);
    create('idle-kill').end(spawn(1, { isKnown: true }), within(9000));
    expect(watch(11_000)).toStrictEqual([
      '10000: SIGKILL 101',
      '10000: log killed',
      '10000: log request-cut',
    ]);
  });

  test.each([
    ['that is replaced', true],
    ['in the stop of a pool', false],
  ])('under idle-kill, %s, is still looked at in its last second', (_case, isReplaced) => {
    machine.busy.add(101);
    create('idle-kill').end(spawn(1), isReplaced ? within(2000) : stopWithin(2000));
    expect(watch(2500)).toStrictEqual([]);
    machine.busy.delete(101);
    const [line = '', ...more] = watch(60);
    expect(line).toMatch(/^\d\d?: idle kill 101$/);
    expect(more).toStrictEqual([]);
  });

  test('that may not be signalled is given up at the deadline, and nobody says that it was killed', () => {
    machine.busy.add(101);
    create().end(spawn(1, { ignoresTerm: true, isForeign: true }), within(9000));
    expect(watch(20_000)).toStrictEqual(['9000: SIGTERM 101', '10000: SIGKILL 101', '10000: log warning']);
    expect(machine.events).toStrictEqual([
      { event: 'warning', message: 'may not end PID 101, a worker: Operation not permitted' },
    ]);
    expect(stuck).toStrictEqual([101]);
    expect(machine.clock.pending).toBe(0);
  });

  test('under the name of a signal gets that one, and KILL at the deadline', () => {
    machine.busy.add(101);
    create('SIGUSR1').end(spawn(1), within(9000));
    expect(watch(10_000)).toStrictEqual([
      '0: SIGUSR1 101',
      '10000: SIGKILL 101',
      '10000: log killed',
      '10000: log request-cut',
    ]);
  });

  test('in the stop of a pool gets TERM before the deadline, and nothing else from here', () => {
    machine.busy.add(101);
    create().end(spawn(1, { ignoresTerm: true }), stopWithin(8000));
    expect(watch(20_000)).toStrictEqual(['8000: SIGTERM 101']);
  });

  test('is ended as soon as it is idle', () => {
    machine.busy.add(101);
    create().end(spawn(1), within(9000));
    expect(watch(300)).toStrictEqual([]);
    machine.busy.delete(101);
    const [line = '', ...more] = watch(60);
    expect(line).toMatch(/^\d\d?: idle replace 101$/);
    expect(more).toStrictEqual([]);
  });
});

describe('a request that is cut off', () => {
  test('is as old as the kernel says, where it says so', () => {
    machine.busy.add(101);
    machine.ages.set(101, 60_000);
    create().end(spawn(1), within(9000));
    machine.clock.advance(9000);
    expect(machine.events.at(-1)).toStrictEqual(cut({ ageMs: 60_000 }));
  });

  test('by the last TERM is told when the worker has ended', () => {
    machine.busy.add(101);
    create().end(spawn(1, { ignoresTerm: true }), within(9000));
    machine.clock.advance(9400);
    machine.end(101, { kind: 'exited', status: 143 });
    expect(machine.events).toStrictEqual([cut({ ageMs: 9400, reason: 'TERM at --stop-timeout' })]);
  });

  test.each([
    ['the worker ends with 0 on that TERM', () => machine.end(101, { kind: 'exited', status: 0 })],
    [
      'the worker was seen without it before it died',
      (): void => {
        machine.busy.delete(101);
        machine.clock.advance(300);
        machine.end(101, { kind: 'signaled', signal: 15 });
      },
    ],
  ])('is none if %s', (_case, end) => {
    machine.busy.add(101);
    create().end(spawn(1, { ignoresTerm: true }), within(9000));
    machine.clock.advance(9400);
    end();
    expect(machine.events).toStrictEqual([]);
  });
});

describe('in the stop of a pool that lets nobody new in', () => {
  test('nobody is ended while others are at work and connections wait', () => {
    machine.queued = 3;
    machine.busy.add(102);
    create().end(spawn(2), stopWithin(8000));
    expect(watch(3000)).toStrictEqual([]);
    machine.queued = 0;
    expect(watch(60).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['SIGTERM 101']);
    machine.busy.delete(102);
    expect(watch(60).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['SIGTERM 102']);
  });

  test('a program that finishes on TERM gets it when nobody waits any more', () => {
    machine.queued = 3;
    machine.busy.add(101);
    create().end(spawn(1, { isKnown: true }), stopWithin(8000));
    expect(watch(3000)).toStrictEqual([]);
    machine.queued = 0;
    expect(watch(60).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['SIGTERM 101']);
  });

  test('connections that nobody takes keep nobody', () => {
    machine.queued = 3;
    create().end(spawn(2), stopWithin(8000));
    const [line = '', ...more] = watch(300);
    expect(line).toMatch(/^2\d\d: SIGTERM 101 102$/);
    expect(more).toStrictEqual([]);
  });

  test('at the deadline the last TERM goes out all the same', () => {
    machine.queued = 3;
    machine.busy.add(101);
    create().end(spawn(1, { ignoresTerm: true }), stopWithin(8000));
    expect(watch(8500)).toStrictEqual(['8000: SIGTERM 101']);
  });

  test('those that are replaced meanwhile wait for nobody', () => {
    machine.queued = 3;
    machine.busy.add(102);
    create().end(spawn(2), within(9000));
    expect(watch(100)).toStrictEqual(['0: idle replace 101']);
  });
});

describe('a worker whose connections cannot be seen', () => {
  test('is named once, and the deadline decides', () => {
    machine.hidden.add(101);
    create().end(spawn(1, { ignoresTerm: true }), within(9000));
    expect(watch(10_000)).toStrictEqual([
      '0: log warning',
      '9000: SIGTERM 101',
      '10000: SIGKILL 101',
      '10000: log killed',
    ]);
    expect(machine.events[0]).toStrictEqual({
      event: 'warning',
      message: 'worker PID 101: its connections cannot be seen, so it is ended at --stop-timeout',
    });
  });
});

describe('a worker that is gone', () => {
  test('before anybody looked is left alone until its parent hears of it', () => {
    const leaders = spawn(1);
    const ending = create();
    machine.sessions.signalWorkers(leaders, 'SIGTERM');
    machine.takeJournal();
    ending.end(leaders, within(9000));
    expect(watch(100)).toStrictEqual([]);
    expect(looksWithin(100)).toStrictEqual([]);
    machine.reap();
    expect(machine.clock.pending).toBe(0);
  });

  test('leaves no timer, in whatever stage it was', () => {
    for (const afterMs of [0, 100, 2500, 9500, 10_000]) {
      const [leader = 0] = spawn(1, { isKnown: true, ignoresTerm: true });
      machine.busy.add(leader);
      create().end([leader], within(9000));
      machine.clock.advance(afterMs);
      expect(machine.clock.pending).toBe(1);
      if (afterMs < 10_000) machine.end(leader, { kind: 'exited', status: 0 });
      else machine.reap();
      expect(machine.clock.pending).toBe(0);
    }
  });

  test('and was none of those that end changes nothing', () => {
    const ending = create();
    ending.leaderEnded(4711);
    expect(machine.clock.pending).toBe(0);
  });
});

test('a worker that not even KILL ends is given up two seconds later, once', () => {
  machine.busy.add(101);
  create().end(spawn(1, { ignoresTerm: true }), within(9000));
  expect(watch(11_999).at(-1)).toBe('10000: log request-cut');
  expect(stuck).toStrictEqual([]);
  expect(watch(20_000)).toStrictEqual(['1: log warning']);
  expect(stuck).toStrictEqual([101]);
  expect(machine.events.at(-1)).toMatchObject({ message: 'worker PID 101 does not even end on KILL' });
  expect(machine.clock.pending).toBe(0);
});

describe('several workers', () => {
  test('are asked together, and each ends at its own time', () => {
    const leaders = spawn(4, { ignoresTerm: true });
    machine.busy.add(102).add(104);
    create().end(leaders, within(9000));
    expect(machine.takeJournal()).toStrictEqual(['idle replace 101 103']);
    machine.clock.advance(500);
    machine.busy.delete(104);
    expect(watch(50).map((line) => line.replace(/^\d+: /, ''))).toStrictEqual(['idle replace 104']);
    // 101 and 103 are killed a second after their TERM, 104 a second after its own, 102 at the deadline.
    machine.reap();
    const kills = watch(9500).filter((line) => line.includes('kill') || line.includes('KILL'));
    expect(kills.map((line) => line.replace(/^\d+: /, ''))).toStrictEqual([
      'idle kill 101 103',
      'idle kill 104',
      'SIGKILL 102',
      'log killed',
    ]);
  });

  test('have one timer', () => {
    const leaders = spawn(4);
    for (const leader of leaders) machine.busy.add(leader);
    create().end(leaders, within(9000));
    expect(machine.clock.pending).toBe(1);
  });

  test('that come later are looked at soon, however long others have been waiting', () => {
    const [first = 0, second = 0] = spawn(2);
    machine.busy.add(first).add(second);
    const ending = create();
    ending.end([first], within(9000));
    machine.clock.advance(1000);
    ending.end([second], within(9000));
    expect(looksWithin(20).length).toBeGreaterThanOrEqual(3);
  });

  test('some in the stop of the pool and some before it are asked each in its way', () => {
    const [first = 0, second = 0] = spawn(2);
    machine.busy.add(first).add(second);
    const ending = create();
    ending.end([first], within(9000));
    ending.end([second], stopWithin(8000));
    machine.clock.advance(100);
    machine.busy.clear();
    machine.takeJournal();
    machine.clock.advance(60);
    expect(machine.takeJournal().toSorted()).toStrictEqual(['SIGTERM 102', 'idle replace 101']);
  });
});

describe('asking again', () => {
  test('only moves the deadline', () => {
    machine.busy.add(101);
    const leaders = spawn(1, { ignoresTerm: true });
    const ending = create();
    ending.end(leaders, within(9000));
    machine.clock.advance(5000);
    expect(machine.takeJournal()).toStrictEqual([]);
    ending.end(leaders, within(9000));
    expect(watch(10_000)).toStrictEqual([
      '9000: SIGTERM 101',
      '10000: SIGKILL 101',
      '10000: log killed',
      '10000: log request-cut',
    ]);
  });

  test('does not repeat the signal', () => {
    const leaders = spawn(1, { ignoresTerm: true });
    const ending = create('SIGQUIT');
    ending.end(leaders, within(9000));
    ending.end(leaders, within(500));
    expect(watch(1500)).toStrictEqual(['0: SIGQUIT 101', '1500: SIGKILL 101', '1500: log killed']);
  });
});

describe('haste', () => {
  test('brings TERM forward for those that are busy', () => {
    machine.busy.add(101);
    const ending = create();
    ending.end(spawn(1, { ignoresTerm: true }), within(9000));
    machine.clock.advance(1000);
    ending.hurry(stopWithin(3000));
    expect(watch(3000)).toStrictEqual(['3000: SIGTERM 101']);
  });

  test('puts nothing off: an earlier TERM and an earlier KILL stay', () => {
    machine.busy.add(101);
    const ending = create();
    ending.end(spawn(1, { ignoresTerm: true }), within(3000));
    machine.clock.advance(1000);
    ending.hurry(stopWithin(8000));
    expect(watch(4000)).toStrictEqual([
      '2000: SIGTERM 101',
      '3000: SIGKILL 101',
      '3000: log killed',
      '3000: log request-cut',
    ]);
  });

  test('without anybody who is being ended arms no timer', () => {
    create().hurry(stopWithin(8000));
    expect(machine.clock.pending).toBe(0);
  });
});

test('nobody to end: no timer', () => {
  create().end([], within(9000));
  expect(machine.clock.pending).toBe(0);
});
