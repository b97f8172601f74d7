// --rlimit, --nice, --umask, --no-new-privileges: from the arguments to what workers are held to.
import { describe, expect, test } from 'vitest';
import { parseAttributes } from '../../src/command-line/parse-attributes.ts';
import { SpawnFcgiError } from '../../src/core/errors.ts';
import { nothingAsked, needsOwnCalls, unlimited } from '../../src/core/worker-attributes.ts';

const noLimit = unlimited;

test('nothing asked is nothing', () => {
  expect(parseAttributes({})).toStrictEqual(nothingAsked);
  expect(needsOwnCalls(nothingAsked)).toBe(false);
});

test('the umask alone needs no calls of the worker', () => {
  expect(needsOwnCalls(parseAttributes({ umask: '7' }))).toBe(false);
  expect(needsOwnCalls(parseAttributes({ nice: '0' }))).toBe(true);
  expect(needsOwnCalls(parseAttributes({ noNewPrivileges: true }))).toBe(true);
  expect(needsOwnCalls(parseAttributes({ rlimit: ['core=0'] }))).toBe(true);
});

describe('--rlimit', () => {
  test.each([
    ['nofile=1024', 1024n, 1024n],
    ['nofile=1024:4096', 1024n, 4096n],
    ['as=256M', 256n << 20n, 256n << 20n],
    ['data=1G:unlimited', 1n << 30n, noLimit],
    ['core=unlimited', noLimit, noLimit],
    ['memlock=64K:65536', 65_536n, 65_536n],
    ['cpu=5m:1h', 300n, 3600n],
    ['cpu=90', 90n, 90n],
    ['nice=40', 40n, 40n],
    ['rttime=200000:unlimited', 200_000n, noLimit],
    ['stack=0', 0n, 0n],
  ])('%s', (text, soft, hard) => {
    const [name] = text.split('=');
    expect(parseAttributes({ rlimit: [text] }).limits).toStrictEqual([{ name, soft, hard }]);
  });

  test('of a name the last counts', () => {
    const limits = parseAttributes({ rlimit: ['core=0', 'nofile=1', 'core=1'] }).limits;
    expect(limits.map(({ name, soft }) => `${name}=${soft}`).toSorted()).toEqual(['core=1', 'nofile=1']);
  });

  test.each([
    ['', 'names are as, core, cpu'],
    ['nofile', 'names are as, core, cpu'],
    ['files=1', 'names are as, core, cpu'],
    ['NOFILE=1', 'names are as, core, cpu'],
    ['toString=1', 'names are as, core, cpu'],
    ['nofile=', 'names are as, core, cpu'],
    ['nofile=1:', 'names are as, core, cpu'],
    ['nofile=1:2:3', 'names are as, core, cpu'],
    ['nofile=1K', 'nofile takes a whole number, or unlimited'],
    ['nofile=-1', 'nofile takes a whole number, or unlimited'],
    ['nofile=+1', 'nofile takes a whole number, or unlimited'],
    ['nofile=9007199254740993', 'nofile takes a whole number, or unlimited'],
    ['as=1T', 'as takes bytes, as 65536, 64K, 256M or 1G, or unlimited'],
    ['as=1.5G', 'as takes bytes'],
    ['cpu=500ms', 'cpu takes whole seconds'],
    ['rttime=1s', 'rttime takes microseconds'],
    ['nofile=2:1', 'the first value, the soft limit, is the larger one'],
    ['nofile=unlimited:1', 'the first value, the soft limit, is the larger one'],
  ])('%j is refused, with the way out', (text, hint) => {
    const refusal = refusalOf(() => parseAttributes({ rlimit: [text] }));
    expect(refusal.message).toBe(`invalid value for --rlimit: '${text}'`);
    expect(refusal.hints.join()).toContain('NAME=SOFT:HARD');
    expect(refusal.hints.join()).toContain(hint);
  });
});

test.each([
  ['-20', -20],
  ['0', 0],
  ['+19', 19],
])('--nice %s', (nice, value) => {
  expect(parseAttributes({ nice }).nice).toBe(value);
});

test.each(['-21', '20', '', '1.5', 'low'])('--nice %j is refused', (nice) => {
  expect(refusalOf(() => parseAttributes({ nice })).message).toBe(`invalid number for --nice: '${nice}'`);
});

test.each([
  ['0', 0],
  ['27', 0o27],
  ['0777', 0o777],
])('--umask %s', (umask, value) => {
  expect(parseAttributes({ umask }).umask).toBe(value);
});

test.each(['', '8', '1000', '00777', 'u=rwx', '-1'])('--umask %j is refused', (umask) => {
  expect(refusalOf(() => parseAttributes({ umask })).message).toBe(`invalid mask for --umask: '${umask}'`);
});

function refusalOf(parse: () => unknown): SpawnFcgiError {
  try {
    parse();
  } catch (error) {
    if (error instanceof SpawnFcgiError) return error;
    throw error;
  }
  throw new Error('accepted');
}
