// Times and whole numbers of the command line.
import { describe, expect, test } from 'vitest';
import { parseSize, parseTime, parseWhole } from '../../src/core/quantity.ts';

describe('a time', () => {
  test.each([
    ['9', 9000],
    ['0', 0],
    ['250ms', 250],
    ['1s', 1000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['0.25', 250],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['007s', 7000],
    ['0.4ms', 0],
    ['0.5ms', 1],
    ['2147483647ms', 2_147_483_647],
    ['2147483.647', 2_147_483_647],
  ])('%s is %i ms', (text, ms) => {
    expect(parseTime(text)).toBe(ms);
  });

  const none =
    '| |s|ms|1 s| 1s|1s |-1s|+1s|1d|1S|1MS|1sm|1,5s|1.|1.s|1e3|0x10|Infinity|NaN|١s|1s\n|' +
    '2147483648ms|597h|99999999999999999999';
  test.each(none.split('|'))('%j is none', (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});

describe('a size', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['64K', 65_536],
    ['256M', 268_435_456],
    ['1G', 1_073_741_824],
    ['9007199254740991', 9_007_199_254_740_991],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', 'K', '1k', '1T', '1.5G', '-1', '+1', '1 K', '1KB', '9007199254740992', '9007199254740991K'])(
    '%j is none',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});

describe('a whole number', () => {
  test.each([
    ['1', 1],
    ['10', 10],
    ['+7', 7],
    ['-3', -3],
    ['007', 7],
  ])('%s is %i', (text, value) => {
    expect(parseWhole(text, -3, 10)).toBe(value);
  });

  test.each(['', '-', '+', '11', '-4', '1.0', '1e1', '0x1', ' 1', '1 ', '12abc', 'abc', '--1', '1\n', '١'])(
    '%j is none from -3 to 10',
    (text) => {
      expect(parseWhole(text, -3, 10)).toBeUndefined();
    },
  );
});
