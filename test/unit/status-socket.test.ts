// What answers at the status socket: its address on the command line, the pace, how often the pool is looked at, what is
// counted.
import { describe, expect, test } from 'vitest';
import { parseStatusSocket } from '../../src/command-line/parse-status-socket.ts';
import type { StatusAddress } from '../../src/core/config.ts';
import type { PoolFigures } from '../../src/control/metrics/pool-figures.ts';
import { PoolCounts } from '../../src/features/pool-counts.ts';
import { Pace } from '../../src/features/status-socket/pace.ts';
import { StatusAnswers, type Page } from '../../src/features/status-socket/status-answers.ts';
import { examplePool, ManualClock } from '../helpers/models/index.ts';

describe('--status-socket', () => {
  test.each<[string, StatusAddress]>([
    ['/run/a.status', { kind: 'unix', path: '/run/a.status' }],
    ['./9001', { kind: 'unix', path: './9001' }],
    ['9001', { kind: 'tcp', host: '127.0.0.1', port: 9001 }],
    ['0.0.0.0:9001', { kind: 'tcp', host: '0.0.0.0', port: 9001 }],
    ['localhost:9001', { kind: 'tcp', host: 'localhost', port: 9001 }],
    ['[::1]:9001', { kind: 'tcp', host: '::1', port: 9001 }],
  ])('%s', (text, address) => {
    expect(parseStatusSocket(text)).toEqual(address);
  });

  test.each(['', '0', '65536', 'status.sock', ':9001', '[]:9001', '::1:9001', 'a:b', '9001:', '-1', '@x'])(
    '%j is no address',
    (text) => {
      expect(() => parseStatusSocket(text)).toThrow(`invalid address for --status-socket: '${text}'`);
    },
  );

  test('a path that the kernel has no room for is refused', () => {
    expect(() => parseStatusSocket(`/${'ä'.repeat(54)}`)).toThrow('the path of --status-socket is too long');
  });
});

describe('a pace', () => {
  test('lets so many through at once, then so many a second, in their order', () => {
    const clock = new ManualClock();
    const pace = new Pace({ clock, perSecond: 100, atOnce: 3 });
    const done: number[] = [];
    const isDone = [1, 2, 3, 4, 5].map((number) => pace.run(() => done.push(number)));
    expect([isDone, done]).toEqual([
      [true, true, true, false, false],
      [1, 2, 3],
    ]);
    clock.advance(50);
    expect(done).toEqual([1, 2, 3, 4, 5]);
  });

  test('is never more than that in any time, and wakes nobody once nothing waits', () => {
    const clock = new ManualClock();
    const pace = new Pace({ clock, perSecond: 200, atOnce: 100 });
    let done = 0;
    for (let index = 0; index < 1000; index++) pace.run(() => (done += 1));
    clock.advance(1000);
    expect(done).toBeGreaterThan(250);
    expect(done).toBeLessThanOrEqual(300);
    clock.advance(10_000);
    expect([done, clock.pending]).toEqual([1000, 0]);
  });
});

const noPage: Page = { text: () => undefined, data: () => '' };

describe('answers', () => {
  function makeAnswers(lookMs = 0): {
    clock: ManualClock;
    looks: () => number;
    ask: (query: string) => string;
  } {
    const clock = new ManualClock();
    let looks = 0;
    const answers = new StatusAnswers({
      clock,
      page: noPage,
      look: (): PoolFigures => {
        looks += 1;
        clock.advance(lookMs);
        const status = { ...examplePool({ name: `look ${looks}` }), workers: [] };
        return {
          status,
          usage: { supervisor: undefined, cpuMs: undefined, workers: new Map() },
          nowSeconds: 0,
        };
      },
      report: () => undefined,
    });
    const ask = (query: string): string => answers.answer(new Map([['QUERY_STRING', query]])).body.toString();
    return { clock, looks: () => looks, ask };
  }

  test('share one look at the pool, whatever their format, for a fifth of a second', () => {
    const { clock, looks, ask } = makeAnswers();
    for (const query of ['', 'json', 'xml', 'json&full', 'openmetrics'])
      expect(ask(query)).toContain('look 1');
    clock.advance(199);
    expect(ask('json')).toContain('look 1');
    clock.advance(2);
    expect([ask('json'), looks()]).toEqual([expect.stringContaining('look 2'), 2]);
  });

  test('let looks take a twentieth of the time at most', () => {
    const { clock, looks, ask } = makeAnswers(100);
    for (let passedMs = 0; passedMs < 20_000; passedMs += 10) {
      ask('');
      clock.advance(10);
    }
    expect(looks()).toBeGreaterThan(5);
    expect(looks() * 100).toBeLessThanOrEqual(22_100 / 20);
  });

  test.each([
    [{ SCRIPT_NAME: '/ping' }, 'pong'],
    [{ SCRIPT_NAME: '/pool/ping', QUERY_STRING: 'full' }, 'pong'],
    [{ SCRIPT_NAME: '/pool', PATH_INFO: '/ping' }, 'pong'],
    [{ REQUEST_URI: '/ping?x=1' }, 'pong'],
    [{ SCRIPT_NAME: '/status', REQUEST_URI: '/ping' }, 'pool: '],
    [{ SCRIPT_NAME: '/shipping' }, 'pool: '],
    [{ REQUEST_URI: '/?json' }, '{"pool":'],
    [{}, 'pool: '],
  ])('to %j begin with %s', (params, start) => {
    const { clock } = makeAnswers();
    const status = { ...examplePool(), workers: [] };
    const usage = { supervisor: undefined, cpuMs: undefined, workers: new Map<number, never>() };
    const answers = new StatusAnswers({
      clock,
      page: noPage,
      look: () => ({ status, usage, nowSeconds: 0 }),
      report: () => undefined,
    });
    expect(
      answers
        .answer(new Map(Object.entries(params)))
        .body.toString()
        .slice(0, start.length),
    ).toBe(start);
  });

  test('to HEAD have the header of the whole', () => {
    const answers = new StatusAnswers({
      clock: new ManualClock(),
      page: noPage,
      look: failing,
      report: () => undefined,
    });
    const { header, body } = answers.answer(
      new Map([
        ['SCRIPT_NAME', '/ping'],
        ['REQUEST_METHOD', 'HEAD'],
      ]),
    );
    expect([header.includes('Content-Length: 4\r\n'), body.length]).toEqual([true, 0]);
  });

  test('say so where the pool cannot be looked at, and why is told elsewhere', () => {
    const told: string[] = [];
    const answers = new StatusAnswers({
      clock: new ManualClock(),
      page: noPage,
      look: failing,
      report: ({ message }) => told.push(message),
    });
    const { header, body } = answers.answer(new Map());
    expect(header).toMatch(/^Status: 500 Internal Server Error\r\n/);
    expect([body.toString().includes('EMFILE'), told]).toEqual([false, ['EMFILE']]);
  });

  function failing(): never {
    throw new Error('EMFILE');
  }
});

test('restarts are counted by their reason, those that the log sums up too, and reloads by their result', () => {
  const counts = new PoolCounts();
  const ended = { event: 'worker-ended', slot: 0, workerPid: 7, uptimeMs: 5, delayMs: 0 } as const;
  const end = { kind: 'exited', status: 0 } as const;
  for (const reason of ['planned', 'planned', 'crash', 'failed-start'] as const)
    counts.happened({ ...ended, end, class: reason });
  counts.happened({ event: 'exec-failed', slot: 0, path: '/x', errno: 2, error: 'no', delayMs: 1 });
  counts.happened({ event: 'reload-finished', result: 'rolled-back', generation: 2, serving: 1 });
  counts.happened({ event: 'stopped' });
  counts.happened();
  expect(counts.describe().counts).toEqual({
    restarts: { planned: 2, crash: 1, 'failed-start': 1, stuck: 0, 'exec-failed': 1, 'spawn-failed': 0 },
    reloads: { reloaded: 0, 'rolled-back': 1, partly: 0, 'timed-out': 0 },
  });
});
