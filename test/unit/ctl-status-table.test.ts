// The table of `spawn-fcgictl status`: what it says, that it is aligned, and how it is cut to a terminal's width.
import { describe, expect, test } from 'vitest';
import * as statusTable from '../../src/ctl/status/status-table.ts';
import { cutEnd, cutStart, printableJson, widthOf } from '../../src/ctl/print/printable.ts';
import { describeBytes, describeDuration } from '../../src/core/text/amount-text.ts';
import { printable } from '../../src/core/text/printable.ts';
import { examplePool, exampleWorker } from '../helpers/models/index.ts';

function makeWorker(changes: Partial<statusTable.MeasuredWorker> = {}): statusTable.MeasuredWorker {
  return { ...exampleWorker(), rssBytes: 12_582_912, cpuPercent: 1.5, ...changes };
}

function makePool(changes: Partial<statusTable.MeasuredPool> = {}): statusTable.MeasuredPool {
  return { ...examplePool(), operation: null, lastReload: null, workers: [makeWorker()], ...changes };
}

describe('the table of a pool', () => {
  test('has a heading, and a row a worker', () => {
    const workers = [
      makeWorker({ activity: 'busy', lastExit: null, restarts: 0 }),
      makeWorker({ slot: 1, pid: 12_345, generation: 1, state: 'stopping', uptimeMs: 93_784_000 }),
      makeWorker({
        slot: 2,
        pid: null,
        state: 'backoff',
        uptimeMs: null,
        rssBytes: null,
        cpuPercent: null,
        nextTryMs: 1250,
        pids: [],
      }),
    ];
    expect(statusTable.formatPool(makePool({ workers }))).toBe(
      [
        'php-cgi on /run/php.sock: PID 501, serving, gen 2, up 1d, 3 idle 1 busy, queue 0/1024',
        '  SLOT   PID GEN STATE    DOES   UP RSS CPU% RESTARTS NEXT LAST EXIT',
        '     0   640   2 running  busy   5s 12M  1.5        0    - -',
        '     1 12345   1 stopping idle 1d2h 12M  1.5        3    - killed by SIGKILL',
        '     2     -   2 backoff  -       -   -    -        3 1.3s killed by SIGKILL',
        '',
      ].join('\n'),
    );
  });

  test('has a row a spare, below the workers', () => {
    const spare = { generation: 2, pids: [], rssBytes: 12_582_912, cpuPercent: 0 };
    const workers = [
      { ...spare, pid: 641, state: 'ready', uptimeMs: 7_200_000 },
      { ...spare, pid: 642, state: 'starting', uptimeMs: 900 },
    ] as const;
    const spares = { wanted: 2, isPossible: true, workers };
    expect(statusTable.formatPool(makePool({ spares })).split('\n').slice(1, -1)).toStrictEqual([
      '   SLOT PID GEN STATE    DOES UP RSS CPU% RESTARTS NEXT LAST EXIT',
      '      0 640   2 running  idle 5s 12M  1.5        3    - killed by SIGKILL',
      '  spare 641   2 ready    -    2h 12M  0.0        -    - -',
      '  spare 642   2 starting -    0s 12M  0.0        -    - -',
    ]);
  });

  test('says why there are no spares', () => {
    const spares = { wanted: 2, isPossible: false, workers: [] };
    expect(statusTable.formatPool(makePool({ spares }))).toContain(
      '  no spares: it cannot be seen whether a worker waits for connections\n',
    );
  });

  test('tells how long requests have been in progress, and how many were stuck', () => {
    const workers = [
      makeWorker({ activity: 'busy', requestAgeMs: 999 }),
      makeWorker({ slot: 1, activity: 'busy', requestAgeMs: 125_000 }),
      makeWorker({ slot: 2, activity: 'idle', requestAgeMs: 5000 }),
    ];
    const text = statusTable.formatPool(makePool({ workers, stuckRequests: 2 }));
    expect(text.match(/(?<=running ).*?(?= +\d+s)/g)).toEqual(['busy', 'busy 2m5s', 'idle']);
    expect(text).toContain('\n  stuck: 2 requests took longer than --request-timeout\n');
    expect(statusTable.formatPool(makePool({ stuckRequests: 0 }))).not.toContain('stuck');
  });

  test.each([
    [{ pid: 7 }, []],
    [
      { pid: 7, isFull: true },
      ['  log program |svlogd x (PID 7) does not read: its pipe is full, workers that print wait for it'],
    ],
    [
      { pid: null, lastExit: 'exited with 111', waiting: 2048 },
      ['  log program |svlogd x exited with 111, and is started again: 2K wait for it'],
    ],
  ] as const)('tells of a log program that does not do its work: %j', (changes, lines) => {
    const program = {
      restarts: 1,
      lastExit: null,
      waiting: 0,
      capacity: 65_536,
      isFull: false,
      ...changes,
    };
    const output = { target: '|svlogd x', files: [], program };
    expect(statusTable.formatPool(makePool({ output })).split('\n').slice(3, -1)).toEqual(lines);
  });

  test('says what guards have replaced, and the last one of all slots', () => {
    const reason = 'it was 6h old (--max-age)';
    const last = { guard: 'max-age', reason, count: 3 };
    const workers = [
      makeWorker({ slot: 0, replaced: { ...last, agoMs: 500_000 } }),
      makeWorker({ slot: 1, replaced: null }),
      makeWorker({ slot: 2, replaced: { ...last, agoMs: 61_000 } }),
    ];
    const replaced = { 'max-age': 6, 'max-memory': 1 };
    expect(statusTable.formatPool(makePool({ workers, replaced })).split('\n').slice(5, -1)).toEqual([
      `  replaced: 6 by --max-age, 1 by --max-memory; the last one 1m1s ago, slot 2: ${reason}`,
    ]);
    expect(statusTable.formatPool(makePool({ replaced: {} }))).not.toContain('replaced');
  });

  test('says which operation is under way, and not how the last reload ended then', () => {
    const { operation } = examplePool();
    const lastReload = {
      result: 'rolled-back',
      agoMs: 61_000,
      message: 'slot 0: exit 1',
      words: [],
    } as const;
    const lines = statusTable.formatPool(makePool({ operation, lastReload })).split('\n');
    expect(lines[1]).toBe('  reload since 3s: slot 2 of 4');
    expect(lines[2]).toMatch(/^ {2}SLOT/);
  });

  test('says how the last reload ended if it failed, and only then', () => {
    const lastReload = {
      result: 'rolled-back',
      agoMs: 61_000,
      message: 'slot 0: exit 1',
      words: [],
    } as const;
    expect(statusTable.formatPool(makePool({ lastReload }))).toContain(
      '\n  last reload rolled-back 1m1s ago: slot 0: exit 1\n',
    );
    const { lastReload: good } = examplePool();
    expect(statusTable.formatPool(makePool({ lastReload: good }))).not.toContain('last reload');
  });

  test.each([
    [{ min: 2, max: 8, processors: null, last: null, note: null }, ['  workers 4 of 2-8']],
    [{ min: 4, max: 4, processors: 4, last: null, note: null }, ['  workers 4 (auto: 4 processors)']],
    [
      {
        min: 2,
        max: 8,
        processors: null,
        note: 'the kernel does not tell',
        last: { from: 3, to: 4, reason: '5 connections wait, nobody idle', agoMs: 4000 },
      },
      [
        '  workers 4 of 2-8; from 3 to 4 4s ago: 5 connections wait, nobody idle',
        '  the kernel does not tell',
      ],
    ],
  ])('says how many workers there may be, and why there are so many: %j', (scaling, lines) => {
    const text = statusTable.formatPool(makePool({ scaling })).split('\n');
    expect(text.slice(1, 1 + lines.length)).toStrictEqual(lines);
    expect(text[1 + lines.length]).toMatch(/^ {2}SLOT/);
  });

  test('keeps the end of an address that is too long', () => {
    const address = `/srv/${'sites/'.repeat(20)}app.sock`;
    const [heading] = statusTable.formatPool(makePool({ address })).split('\n');
    expect(heading).toMatch(/^php-cgi on \.\.[a-z/]*sites\/app\.sock: PID 501/);
    expect(heading?.length).toBeLessThanOrEqual(100);
  });

  test('without a queue that the kernel tells says so', () => {
    expect(statusTable.formatPool(makePool({ queue: null }))).toContain('queue unknown');
  });

  test('keeps control characters of others off the terminal', () => {
    const text = statusTable.formatPool(
      makePool({
        name: 'a\nb',
        address: '/run/\x1b[2J.sock',
        operation: { kind: 'x\r', sinceMs: 0, step: 'y\x07' },
        workers: [makeWorker({ lastExit: '\u009b31m' })],
      }),
    );
    expect(text).toMatch(/^[ -~\n]*$/);
    expect(text.split('\n')).toHaveLength(5);
  });

  test('stays within 80 columns a row, whatever a worker has to tell', () => {
    const lastExit = 'could not be executed: no such file or directory, and more';
    for (const line of statusTable
      .formatPool(makePool({ workers: [makeWorker({ lastExit })] }))
      .split('\n')
      .slice(1)) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
  });
});

test.each([
  [0, '0s'],
  [999, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_599_000, '59m59s'],
  [3_605_000, '1h'],
  [90_000_000, '1d1h'],
  [8_640_000_000, '100d'],
])('%i ms are %s', (ms, text) => {
  expect(describeDuration(ms)).toBe(text);
});

test.each([
  [0, '0K'],
  [422_000, '412K'],
  [1_048_576, '1M'],
  [1_610_612_736, '1.5G'],
])('%i bytes are %s', (bytes, text) => {
  expect(describeBytes(bytes)).toBe(text);
});

describe('text of others', () => {
  test.each([
    ['plain, ä, 漢', 'plain, ä, 漢'],
    ['\x1b]0;title\x07', String.raw`\x1b]0;title\x07`],
    ['line\nline\r', String.raw`line\x0aline\x0d`],
    ['\u009b31m\x7f', String.raw`\x9b31m\x7f`],
    ['\u202eabc\u2028', String.raw`\u{202e}abc\u{2028}`],
    ['\ud800', String.raw`\u{d800}`],
  ])('%j is printed as %s', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  test('as JSON comes back as it was, and is harmless', () => {
    const value = { text: '\x1b\u009b\x7f\u202e\u{e0001}\n' };
    expect(printableJson(value)).toMatch(/^[ -~\n]*$/);
    expect(JSON.parse(printableJson(value))).toEqual(value);
  });

  test.each([
    ['abc', 3],
    ['漢字', 4],
    ['e\u0301', 1],
    ['\u{20000}', 2],
    ['ｱ', 1],
    ['ﾊﾟ', 2],
    ['🎉', 2],
    ['👍🏽', 2],
    ['❤\ufe0f', 2],
    ['1\ufe0f\u20e3', 2],
    ['🇩🇪', 2],
    ['\u1112\u1161\u11ab', 2],
    ['\u0e01\u0e34', 1],
  ])('%s is %i columns wide', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test.each([
    ['abcdef', 6, 'abcdef', 'abcdef'],
    ['abcdef', 5, 'abc..', '..def'],
    ['漢字漢字', 7, '漢字..', '..漢字'],
    ['🇩🇪🇫🇷🇪🇸', 5, '🇩🇪..', '..🇪🇸'],
    ['e\u0301e\u0301e\u0301e\u0301', 3, 'e\u0301..', '..e\u0301'],
  ])('%s in %i columns is %s or %s', (text, columns, end, start) => {
    expect([cutEnd(text, columns), cutStart(text, columns)]).toEqual([end, start]);
  });
});
