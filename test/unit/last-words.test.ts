// The end of a program's output as lines: how many, how long, and safe for a terminal.
import { describe, expect, test } from 'vitest';
import { quote } from '../../src/core/text/quote-words.ts';
import { keptBytes, lastWords } from '../../src/sys/log/last-words.ts';

const lines = (count: number, text = 'line'): string =>
  Array.from({ length: count }, (_unused, index) => `${text} ${index + 1}\n`).join('');

describe('last words', () => {
  test('are the last ten lines, blank ones left out', () => {
    expect(lastWords(Buffer.from(lines(12)))).toStrictEqual(lines(12).split('\n').slice(2, 12));
    expect(lastWords(Buffer.from('one\n\n  \ntwo'))).toStrictEqual(['one', 'two']);
    expect(lastWords(Buffer.alloc(0))).toStrictEqual([]);
  });

  test('are 2 KB at most: fewer lines, and of one long line the end', () => {
    const long = lastWords(Buffer.from(lines(10, 'x'.repeat(500))));
    expect(long.map((line) => line.slice(-2))).toStrictEqual([' 7', ' 8', ' 9', '10'].slice(-4));
    const [only = '', ...others] = lastWords(Buffer.from(`${'é'.repeat(2000)} the mistake`));
    expect(others).toStrictEqual([]);
    expect(only).toMatch(/^…é+ the mistake$/);
    expect(Buffer.byteLength(only)).toBeLessThanOrEqual(2048 + Buffer.byteLength('…'));
  });

  test('of a longer output do not begin within a line', () => {
    const output = Buffer.from(`${'y'.repeat(keptBytes)}\nfirst\nlast\n`).subarray(-keptBytes);
    expect(lastWords(output)).toStrictEqual(['first', 'last']);
  });

  test.each([
    ['a\x1b[31mred\x07', 'a\\x1b[31mred\\x07'],
    ['right\u202eleft\u2028', 'right\\u{202e}left\\u{2028}'],
    ['\tat main (app.js:1)\r', '    at main (app.js:1)'],
    ['50 %\rdone', '50 %\\x0ddone'],
    ['naïve 🙂 \ufffd', 'naïve 🙂 \ufffd'],
  ])('%j are safe for a terminal: %s', (text, shown) => {
    expect(lastWords(Buffer.from(text))).toStrictEqual([shown]);
  });

  test('that are not UTF-8 are escaped byte by byte', () => {
    const bytes = Buffer.concat([Buffer.from('é'), Buffer.of(0xff, 0x41, 0xc3), Buffer.from('🙂')]);
    expect(lastWords(bytes)).toStrictEqual(['é\\xffA\\xc3🙂']);
  });

  test('are quoted in the line of their heading, or below it', () => {
    expect(quote('it said', ['one'])).toStrictEqual(['it said: one']);
    expect(quote('it said', ['one', 'two'])).toStrictEqual(['it said:', '  one', '  two']);
  });
});
