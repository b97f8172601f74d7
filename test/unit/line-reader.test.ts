// Lines out of a stream of bytes, whatever the pieces that it arrives in.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LineReader } from '../../src/control/line-reader.ts';

function readAll(maxBytes: number, ...chunks: readonly string[]): { lines: string[]; reader: LineReader } {
  const reader = new LineReader(maxBytes);
  return { lines: chunks.flatMap((chunk) => reader.push(Buffer.from(chunk))), reader };
}

describe('a reader of lines', () => {
  test.each([
    [['one\n'], ['one'], false],
    [['one\ntwo\n'], ['one', 'two'], false],
    [['o', 'n', 'e', '\n'], ['one'], false],
    [['one\ntw'], ['one'], true],
    [['one\ntw', 'o\n'], ['one', 'two'], false],
    [['\n\n'], ['', ''], false],
    [[''], [], false],
  ])('of %j has the lines %j', (chunks, lines, hasRest) => {
    const result = readAll(100, ...chunks);
    expect(result.lines).toEqual(lines);
    expect(result.reader.hasRest).toBe(hasRest);
  });

  test('takes a line of exactly the limit, and none of one byte more', () => {
    expect(readAll(3, 'abc\n').lines).toEqual(['abc']);
    const { lines, reader } = readAll(3, 'abc\nabcd\nabc\n', 'abc\n');
    expect(lines).toEqual(['abc']);
    expect(reader.isTooLong).toBe(true);
  });

  test('notices a line that is too long before it ends', () => {
    expect(readAll(3, 'ab', 'cd').reader.isTooLong).toBe(true);
  });

  test('joins characters that were cut apart, and replaces bytes that are none', () => {
    const reader = new LineReader(100);
    const bytes = Buffer.from('ä\n');
    expect([...reader.push(bytes.subarray(0, 1)), ...reader.push(bytes.subarray(1))]).toEqual(['ä']);
    expect(reader.push(Buffer.from([0xff, 10]))).toEqual(['\ufffd']);
  });

  test('gives the same lines however the bytes are cut', () => {
    const pieces = fc.array(fc.stringMatching(/^[a-c\n]{0,9}$/));
    fc.assert(
      fc.property(pieces, (chunks) => {
        const { lines, reader } = readAll(1000, ...chunks);
        const expected = chunks.join('').split('\n');
        expect(reader.hasRest).toBe(expected.pop() !== '');
        expect(lines).toEqual(expected);
      }),
    );
  });
});
