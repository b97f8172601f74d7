// What a service manager is told, when, and what becomes of it when the manager has no room.
import { describe, expect, test, vi } from 'vitest';
import { ManagerLine, type ManagerMessage } from '../../src/features/service-manager/manager-line.ts';
import { describePool, type PoolFacts } from '../../src/features/service-manager/pool-text.ts';
import { StatusLine } from '../../src/features/service-manager/status-line.ts';
import { reasonOf } from '../../src/start/report/manager-report.ts';
import { findFault, type Sent } from '../../src/sys/connection/manager-socket.ts';
import { parseControlGroups } from '../../src/sys/process/control-group.ts';
import { ManualClock } from '../helpers/models/index.ts';
import { beat } from '../../src/features/service-manager/watchdog.ts';

const facts: PoolFacts = {
  wanted: 4,
  up: 4,
  busy: 2,
  waiting: 0,
  operation: undefined,
  lastReload: undefined,
};

test.for<[string, Partial<PoolFacts>]>([
  ['4 of 4 up, 2 busy, 0 waiting', {}],
  ['3 of 4 up, 2 busy', { up: 3, waiting: undefined }],
  ['reloading: 4 of 4 up, 2 busy, 7 waiting', { operation: 'reload', waiting: 7 }],
  ['4 of 4 up, 2 busy, 0 waiting; reloaded', { lastReload: { result: 'reloaded', message: '' } }],
  [
    '4 of 4 up, 2 busy, 0 waiting; last reload failed, the old workers are in service: a\\x0aREADY=1',
    { lastReload: { result: 'rolled-back', message: 'a\nREADY=1' } },
  ],
  [
    'reloading: 4 of 4 up, 2 busy, 0 waiting',
    { operation: 'reload', lastReload: { result: 'partly', message: '' } },
  ],
])('the status is "%s"', ([text, more]) => {
  expect(describePool({ ...facts, ...more })).toBe(text);
});

test('a failed start is told with the hints behind it, not with those before', () => {
  expect(reasonOf(['hint: a', 'bind failed', 'hint: b'])).toBe('bind failed; hint: b');
  expect(reasonOf(['hint: a'])).toBe('the start has failed');
  expect(reasonOf(['x'.repeat(9999)])).toHaveLength(500);
});

test.for([
  ['/run/systemd/notify', undefined],
  ['@/org/freedesktop/systemd1/notify', undefined],
  ['@', 'it must be an absolute path, or @ and an abstract name'],
  ['notify', 'it must be an absolute path, or @ and an abstract name'],
  ['vsock-stream:2:1', 'only a Unix socket can be told'],
  [`/${'x'.repeat(107)}`, 'it is too long for a socket'],
])('of the address %s is said: %s', ([name = '', fault]) => {
  expect(findFault(name)).toBe(fault);
});

describe('the unit of a process', () => {
  test.for([
    ['0::/system.slice/app.service\n', '/system.slice/app.service'],
    ['0::/system.slice/app.service/.control\n', '/system.slice/app.service'],
    ['0::/system.slice/system-app.slice/app@b.service/x\n', '/system.slice/system-app.slice/app@b.service'],
    [
      '0::/user.slice/user-7.slice/user@7.service/app.slice/app.service\n',
      '/user.slice/user-7.slice/user@7.service/app.slice/app.service',
    ],
    ['0::/user.slice/user-7.slice/session-3.scope\n', undefined],
    ['4:memory:/a\n1:name=systemd:/system.slice/app.service\n0::/\n', '/system.slice/app.service'],
    ['4:memory:/system.slice/app.service\n0::/\n', undefined],
    ['0::/x.services\n', undefined],
    ['', undefined],
  ])('%j is %s', ([text = '', unit]) => {
    expect(parseControlGroups(text).unit).toBe(unit);
  });
});

describe('a manager without room', () => {
  /** Takes so many messages. */
  function lineTo(room: { left: number; isGone?: boolean }): {
    line: ManagerLine;
    clock: ManualClock;
    sent: string[];
  } {
    const sent: string[] = [];
    const send = (lines: readonly string[]): Sent => {
      if (room.isGone === true) return 'gone';
      if (room.left === 0) return 'full';
      room.left--;
      sent.push(lines.join(' '));
      return 'sent';
    };
    const clock = new ManualClock();
    return { line: new ManagerLine({ send, awaitRoom: () => undefined }, clock), clock, sent };
  }

  const say = (...lines: string[]): ManagerMessage => ({ lines });
  const pass = (...lines: string[]): ManagerMessage => ({ lines, isPassing: true });

  test('gets what matters later, in order, and nothing that has passed', () => {
    const room = { left: 0 };
    const { line, clock, sent } = lineTo(room);
    for (const message of [
      say('READY=1'),
      pass('STATUS=a'),
      pass('WATCHDOG=1'),
      say('RELOADING=1'),
      pass('STATUS=b'),
    ])
      line.tell(message);
    expect(sent).toEqual([]);
    room.left = 1;
    clock.advance(1000);
    expect(sent).toEqual(['READY=1']);
    room.left = 9;
    clock.advance(2000);
    expect(sent).toEqual(['READY=1', 'RELOADING=1', 'STATUS=b']);
  });

  test('is given up after a minute, and with it the timer', () => {
    const room = { left: 0 };
    const { line, clock, sent } = lineTo(room);
    line.tell(say('READY=1'));
    clock.advance(70_000);
    expect(clock.pending).toBe(0);
    room.left = 9;
    line.tell(say('STOPPING=1'));
    expect(sent).toEqual(['STOPPING=1']);
  });

  test('that is gone is not spoken to again for what it has missed', () => {
    const { line, clock } = lineTo({ left: 9, isGone: true });
    line.tell(say('READY=1'));
    expect(clock.pending).toBe(0);
  });

  test('keeps at most 64 messages', () => {
    const room = { left: 0 };
    const { line, clock, sent } = lineTo(room);
    for (let number = 0; number < 100; number++) line.tell(say(String(number)));
    room.left = 999;
    clock.advance(1000);
    expect(sent).toHaveLength(64);
    expect(sent.at(-1)).toBe('99');
  });
});

describe('the status', () => {
  function status(looks: { text: string; isPassing: boolean }[]): {
    line: StatusLine;
    clock: ManualClock;
    told: string[];
  } {
    const clock = new ManualClock();
    const told: string[] = [];
    const look = (): { text: string; isPassing: boolean } =>
      (looks.length > 1 ? looks.shift() : looks[0]) ?? { text: '', isPassing: false };
    return { line: new StatusLine({ look, tell: (text) => told.push(text), clock }), clock, told };
  }

  test('is looked at once for what happens together, and told if it reads differently', () => {
    const { line, clock, told } = status([{ text: 'a', isPassing: false }]);
    for (let times = 0; times < 9; times++) line.soon();
    clock.advance(200);
    line.soon();
    clock.advance(10_000);
    expect(told).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });

  test('is looked at once a second, and less often where a look takes long', () => {
    const clock = new ManualClock();
    let [looks, costMs] = [0, 0];
    const look = (): { text: string; isPassing: boolean } => {
      looks++;
      clock.advance(costMs);
      return { text: '', isPassing: false };
    };
    const line = new StatusLine({ look, tell: () => undefined, clock });
    const live = (ms: number): number => {
      const before = looks;
      for (let passed = 0; passed < ms; passed += 100) {
        line.soon();
        clock.advance(100);
      }
      return looks - before;
    };
    expect(live(10_000)).toBeLessThanOrEqual(10);
    costMs = 50;
    expect(live(50_000)).toBeLessThanOrEqual(11);
  });

  test('is looked at again while workers come up, which nobody tells', () => {
    const { line, clock, told } = status([
      { text: 'a', isPassing: true },
      { text: 'a', isPassing: true },
      { text: 'b', isPassing: false },
    ]);
    line.soon();
    clock.advance(3000);
    expect(told).toEqual(['a', 'b']);
    expect(clock.pending).toBe(0);
  });

  test('stays as it is when nobody can look', () => {
    const clock = new ManualClock();
    const told: string[] = [];
    const look = (): never => {
      throw new Error('no descriptor left');
    };
    const line = new StatusLine({ look, tell: (text) => told.push(text), clock });
    line.soon();
    clock.advance(10_000);
    expect(told).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('stays as it is at the end', () => {
    const { line, clock, told } = status([{ text: 'a', isPassing: true }]);
    line.soon();
    line.end();
    clock.advance(10_000);
    expect(told).toEqual([]);
  });
});

test('a watchdog of months gets no more beats than a timer can wait for', () => {
  vi.useFakeTimers();
  let beats = 0;
  const end = beat(10 ** 13, () => (beats += 1));
  vi.advanceTimersByTime(60_000);
  end();
  vi.useRealTimers();
  expect(beats).toBe(1);
});
