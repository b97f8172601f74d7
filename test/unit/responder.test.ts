// A request in the responder role, and what counts as an answer to it.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerReader, type Answer } from '../../src/fastcgi/answer.ts';
import { encodeRequest } from '../../src/fastcgi/request.ts';

const stdout = 6;
const stderr = 7;

function record(type: number, content: string | Buffer, padding = 0): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.of(1, type, 0, 1, bytes.length >> 8, bytes.length & 0xff, padding, 0);
  return Buffer.concat([header, bytes, Buffer.alloc(padding)]);
}

function end(protocolStatus = 0): Buffer {
  return record(3, Buffer.of(0, 0, 0, 0, protocolStatus, 0, 0, 0));
}

function read(...chunks: readonly Buffer[]): Answer | undefined {
  const reader = new AnswerReader();
  return chunks.map((chunk) => reader.push(chunk)).at(-1);
}

describe('an answer', () => {
  test.each<[string, number, string]>([
    ['Content-Type: text/html\r\n\r\nhi', 200, 'OK'],
    ['Content-Type: text/html\n\n', 200, 'OK'],
    ['Status: 404 Not Found\r\nX: y\r\n\r\n', 404, 'Not Found'],
    ['X: y\r\nstatus:503\r\n\r\nStatus: 200 OK\r\n\r\n', 503, ''],
    ['Location: /elsewhere\r\n\r\n', 302, 'Found'],
    ['HTTP/1.1 500 Oops\r\nX: y\r\n\r\n', 500, 'Oops'],
  ])('with the header %j has the status %i', (text, status, reason) => {
    const answer = { kind: 'answered', status, reason };
    expect(read(record(stdout, text, 3), record(stdout, ''), end())).toStrictEqual(answer);
  });

  test.each(['', 'hello', 'no header\r\n\r\n', 'Content-Type: text/html\r\n'])(
    'of %j has no header',
    (text) => {
      expect(read(record(stdout, text), end())).toStrictEqual({ kind: 'malformed' });
    },
  );

  test('that is refused says how', () => {
    expect(read(end(2))).toStrictEqual({ kind: 'refused', protocolStatus: 2 });
  });

  test('that is no FastCGI is malformed at once', () => {
    expect(read(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toStrictEqual({ kind: 'malformed' });
  });

  test('is none before its end', () => {
    expect(read(record(stdout, 'X: y\r\n\r\n'))).toBeUndefined();
  });

  test('is the same however it is cut, and complaints are no part of it', () => {
    const bytes = Buffer.concat([
      record(stderr, 'boom\n', 5),
      record(stdout, 'Status: 418 Teapot\r\n'),
      record(stdout, `X: y\r\n\r\n${'z'.repeat(70_000 - 8000)}`),
      end(),
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: bytes.length }), (size) => {
        const reader = new AnswerReader();
        let answer: Answer | undefined;
        for (let start = 0; start < bytes.length; start += size)
          answer = reader.push(bytes.subarray(start, start + size));
        expect(answer).toStrictEqual({ kind: 'answered', status: 418, reason: 'Teapot' });
        expect(reader.complaint).toBe('boom\n');
      }),
      { numRuns: 30, examples: [[7], [8]] },
    );
  });
});

test('a request has its parameters in one stream, long ones too, and no body', () => {
  const long = 'x'.repeat(70_000);
  const bytes = encodeRequest({ A: 'b', LONG: long });
  const types: number[] = [];
  let params = '';
  for (let offset = 0; offset < bytes.length;) {
    const length = bytes.readUInt16BE(offset + 4);
    types.push(bytes[offset + 1] ?? 0);
    if (bytes[offset + 1] === 4) params += bytes.toString('latin1', offset + 8, offset + 8 + length);
    offset += 8 + length;
  }
  expect(types).toEqual([1, 4, 4, 4, 4, 5]);
  expect(params).toBe(`\x01\x01Ab\x04\x80\x01\x11\x70LONG${long}`);
});
