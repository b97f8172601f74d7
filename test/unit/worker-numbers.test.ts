// Numbers of workers: how -F and `scale` write them, what becomes of bounds when somebody asks for others, how many
// processors there are, and with how many workers a pool begins that goes on where another one was.
import { describe, expect, test } from 'vitest';
import { parseWorkers } from '../../src/command-line/parse-workers.ts';
import { parseWorkersWord, toWorkersWord } from '../../src/control/workers-word.ts';
import { firstWorkers } from '../../src/core/scaling/first-workers.ts';
import { WorkerBounds } from '../../src/core/scaling/worker-bounds.ts';
import { describeRange, parseRange } from '../../src/core/scaling/worker-range.ts';
import { countProcessors } from '../../src/sys/process/processors.ts';

describe('-F', () => {
  test.each([
    ['4', 4, { min: 4, max: 4 }, undefined, false],
    ['2-8', 2, { min: 2, max: 8 }, undefined, true],
    ['3-3', 3, { min: 3, max: 3 }, undefined, true],
    ['auto', 6, { min: 6, max: 6 }, 6, false],
    ['2-auto', 2, { min: 2, max: 6 }, 6, true],
    ['8-auto', 8, { min: 8, max: 8 }, 6, true],
    ['1-65535', 1, { min: 1, max: 65_535 }, undefined, true],
  ])('%s means %i workers of %j', (text, workers, range, processors, isRange) => {
    expect(parseWorkers(text, () => 6)).toStrictEqual({ workers, range, processors, isRange });
  });

  test('does not ask for processors that nobody has asked for', () => {
    const fail = (): number => {
      throw new Error('asked');
    };
    expect(parseWorkers('2-8', fail).workers).toBe(2);
    expect(parseWorkers(undefined, fail).workers).toBe(1);
  });

  test.each([
    ['8-2', 'the smaller number comes first: 2-8'],
    ...['0-4', '1-65536', '2-', '-2', 'auto-8', '2-8-9', '2 - 8', 'AUTO', ''].map((text) => [
      text,
      '-F takes a whole number from 1 to 65535, a range such as 2-8 or 2-auto, or auto for the processors',
    ]),
  ])("'%s' is refused: %s", (text = '', hint) => {
    const refuse = (): unknown => parseWorkers(text, () => 6);
    expect(refuse).toThrow(`invalid number for -F: '${text}'`);
    expect(refuse).toThrow(expect.objectContaining({ hints: [hint] }));
  });
});

describe('a word for workers', () => {
  test.each([
    [8, { kind: 'number', workers: 8 }],
    ['+1', { kind: 'difference', by: 1 }],
    ['-12', { kind: 'difference', by: -12 }],
    ['2-8', { kind: 'range', range: { min: 2, max: 8 } }],
  ] as const)('%j is read, and written again', (word, asked) => {
    expect(parseWorkersWord(word)).toStrictEqual(asked);
    expect(toWorkersWord(asked)).toBe(word);
  });

  test.each([0, -1, 1.5, 65_536, '8', '+', '+1e9', null, undefined, '8-2', '0-2', '2-auto', {}])(
    '%j is none',
    (word) => {
      expect(parseWorkersWord(word)).toBeUndefined();
    },
  );
});

test('a range reads as it is written', () => {
  expect(describeRange(parseRange('2-8') ?? { min: 0, max: 0 })).toBe('2-8');
});

describe('bounds', () => {
  test.each([
    ['of a fixed number', { min: 4, max: 4 }, '+2', 4, { range: { min: 6, max: 6 }, workers: 6 }],
    ['of a fixed number', { min: 4, max: 4 }, '-9', 4, { range: { min: 1, max: 1 }, workers: 1 }],
    ['of a fixed number', { min: 4, max: 4 }, '2-8', 4, { range: { min: 2, max: 8 }, workers: 4 }],
    ['that are apart', { min: 2, max: 8 }, '+2', 3, { range: { min: 2, max: 8 }, workers: 5 }],
    ['that are apart', { min: 2, max: 8 }, '+9', 3, { range: { min: 2, max: 8 }, workers: 8 }],
    ['that are apart', { min: 2, max: 8 }, '-9', 3, { range: { min: 2, max: 8 }, workers: 2 }],
    ['that are apart', { min: 2, max: 8 }, 5, 3, { range: { min: 5, max: 5 }, workers: 5 }],
    ['that are apart', { min: 2, max: 8 }, '4-6', 8, { range: { min: 4, max: 6 }, workers: 6 }],
    ['that are apart', { min: 2, max: 8 }, '4-6', 2, { range: { min: 4, max: 6 }, workers: 4 }],
    [
      'that are wide',
      { min: 65_535, max: 65_535 },
      '+9',
      65_535,
      { range: { min: 65_535, max: 65_535 }, workers: 65_535 },
    ],
  ] as const)('%s, %j, after scale %s with %i workers', (_what, range, word, current, next) => {
    const bounds = new WorkerBounds(range);
    const asked = parseWorkersWord(word);
    expect(asked && bounds.after(asked, current)).toStrictEqual(next);
    expect(bounds.range).toStrictEqual(range);
  });
});

describe('a pool that goes on where another one was', () => {
  test.each([
    [{ workers: 5 }, 5],
    [{ workers: 99 }, 8],
    [{ workers: 1 }, 2],
    [undefined, 2],
    [null, 2],
    ['5', 2],
    [{ workers: '5' }, 2],
    [{ workers: 2.5 }, 2],
    [{ workers: Number.NaN }, 2],
  ])('that left %j begins with %i workers of 2-8', (memory, workers) => {
    expect(firstWorkers({ min: 2, max: 8 }, memory)).toBe(workers);
  });
});

describe('processors', () => {
  const status = (mask: string): string => `Name:\tnode\nCpus_allowed:\t${mask}\nCpus_allowed_list:\t0\n`;
  const second = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n';
  const first = '33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n';
  const container = '33 32 0:29 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n';

  test.each<[string, Record<string, string>, number]>([
    ['are those of the affinity', { status: status('ff') }, 8],
    ['are counted over 32 of them', { status: status('3,ffffffff') }, 34],
    [
      'are as many as the quota gives, a part as one',
      {
        status: status('ff'),
        cgroup: '0::/a/b\n',
        mountinfo: second,
        '/sys/fs/cgroup/a/b/cpu.max': '250000 100000\n',
      },
      3,
    ],
    [
      'are one at least',
      {
        status: status('ff'),
        cgroup: '0::/a\n',
        mountinfo: second,
        '/sys/fs/cgroup/a/cpu.max': '5000 100000\n',
      },
      1,
    ],
    [
      'are as many as the tightest cgroup above gives',
      {
        status: status('ff'),
        cgroup: '0::/a/b\n',
        mountinfo: second,
        '/sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
        '/sys/fs/cgroup/a/cpu.max': '200000 100000\n',
      },
      2,
    ],
    [
      'are more than the affinity by no quota',
      {
        status: status('3'),
        cgroup: '0::/\n',
        mountinfo: second,
        '/sys/fs/cgroup/cpu.max': '900000 100000\n',
      },
      2,
    ],
    [
      'are limited by version 1, too',
      {
        status: status('ff'),
        cgroup: '4:memory:/a\n3:cpu,cpuacct:/a\n',
        mountinfo: first,
        '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '150000\n',
        '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
      },
      2,
    ],
    [
      'are not limited by a quota of -1',
      {
        status: status('f'),
        cgroup: '3:cpu,cpuacct:/a\n',
        mountinfo: first,
        '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000\n',
      },
      4,
    ],
    [
      'are those of the container, whose cgroup is the root of the mount',
      {
        status: status('ff'),
        cgroup: '3:cpu,cpuacct:/docker/ab\n',
        mountinfo: container,
        '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '300000\n',
        '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      },
      3,
    ],
    [
      'are those of the mount where the own cgroup is outside of it',
      {
        status: status('ff'),
        cgroup: '0::/../x\n',
        mountinfo: second,
        '/sys/fs/cgroup/cpu.max': '200000 100000\n',
      },
      2,
    ],
  ])('%s', (_what, files, count) => {
    const named = ['status', 'cgroup', 'mountinfo'];
    expect(
      countProcessors(
        (path) => files[path] ?? files[named.find((name) => path === `/proc/self/${name}`) ?? ''],
      ),
    ).toBe(count);
  });

  test('of this machine are one at least, and no more than it has', () => {
    expect(countProcessors()).toBeGreaterThanOrEqual(1);
    expect(countProcessors()).toBeLessThanOrEqual(4096);
  });
});
