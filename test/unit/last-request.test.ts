// Whether bytes are one whole FastCGI request (src/sys/session/last-request.ts): what lets a connection be its last one.
import { expect, test } from 'vitest';
import { isWholeRequest } from '../../src/sys/session/last-request.ts';

function record(type: number, content = '', { id = 1, padding = 0, version = 1 } = {}): Buffer {
  const header = Buffer.from([version, type, 0, id, 0, content.length, padding, 0]);
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc(padding)]);
}

const begin = record(1, '\0\u0001\u0001\0\0\0\0\0');
const params = [record(4, 'name', { padding: 4 }), record(4)];
const whole = [begin, ...params, record(5, 'body'), record(5)];

test.each([
  ['with a body', whole],
  ['without a body', [begin, ...params, record(5)]],
  ['without parameters', [begin, record(4), record(5)]],
])('a request %s is a whole one', (_what, records) => {
  expect(isWholeRequest(Buffer.concat(records))).toBe(true);
});

test.each([
  ['nothing', []],
  ['a request whose body goes on', whole.slice(0, -1)],
  ['a request without the end of its parameters', [begin, record(4, 'name'), record(5)]],
  ['the rest of a body', [record(5, 'body'), record(5)]],
  ['the rest of the parameters', [...params, record(5)]],
  ['one request and a bit of the next one', [...whole, begin]],
  ['two requests at a time', [begin, ...params, record(5, '', { id: 2 })]],
  ['two beginnings', [begin, ...whole]],
  ['a request that is given up', [begin, ...params, record(2)]],
  ['another protocol', [record(1, '', { version: 2 }), ...whole.slice(1)]],
])('%s is none', (_what, records) => {
  expect(isWholeRequest(Buffer.concat(records))).toBe(false);
});

test('a request that was cut anywhere is none', () => {
  const bytes = Buffer.concat(whole);
  for (let length = 0; length < bytes.length; length += 1) {
    expect(isWholeRequest(bytes.subarray(0, length)), `${length} bytes`).toBe(false);
  }
});
