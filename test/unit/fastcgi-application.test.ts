// The side of an application in FastCGI: requests are read wherever they are cut, and what is too much is refused.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerReader, AnswerStream } from '../../src/fastcgi/answer.ts';
import * as application from '../../src/fastcgi/application.ts';
import { decodePairs, encodePair } from '../../src/fastcgi/pairs.ts';
import { encodeRecord } from '../../src/fastcgi/record.ts';
import { encodeBody, encodeHead, encodeRequest, role } from '../../src/fastcgi/request.ts';

const empty = Buffer.alloc(0);
const types = { begin: 1, abort: 2, end: 3, params: 4, getValues: 9, valuesResult: 10, unknown: 11 };

function read(...chunks: readonly Buffer[]): application.Received[] {
  const reader = new application.ApplicationReader();
  return chunks.flatMap((chunk) => [...reader.push(chunk)]);
}

function kinds(received: readonly application.Received[]): string[] {
  return received.map(({ kind }) => kind);
}

function begin(id: number, asked: number = role.responder, flags = 0): Buffer {
  return encodeRecord(types.begin, id, Buffer.of(0, asked, flags, 0, 0, 0, 0, 0));
}

function params(id: number, ...pairs: readonly [string, string][]): Buffer {
  return encodeRecord(types.params, id, Buffer.concat(pairs.map(encodePair)));
}

/** END_REQUEST's protocolStatus. */
function statusOf(received: application.Received | undefined): number | undefined {
  return received && 'bytes' in received ? received.bytes[8 + 4] : undefined;
}

test('a request is what was sent, wherever it is cut', () => {
  const anyPairs = fc.dictionary(fc.string({ maxLength: 200 }), fc.string({ maxLength: 300 }), {
    maxKeys: 20,
  });
  const anySizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(anyPairs, anySizes, (pairs, sizes) => {
      const bytes = encodeRequest(pairs);
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length;) {
        const size = sizes[chunks.length % sizes.length] ?? 1;
        chunks.push(bytes.subarray(at, at + size));
        at += size;
      }
      const [request, whole, ...more] = read(...chunks);
      expect(request?.kind === 'request' && Object.fromEntries(request.request.params)).toEqual({ ...pairs });
      expect([whole?.kind, more]).toEqual(['whole', []]);
    }),
  );
});

test('the answer is readable by a client, in records of any number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200_000 }), fc.integer({ min: 1, max: 65_535 }), (length, id) => {
      const body = Buffer.alloc(length, 'x');
      const pieces = application.encodeAnswer(id, 'Content-Type: text/plain\r\n\r\n', body);
      const bytes = Buffer.concat(pieces);
      // The client knows one number only.
      for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt16BE(at + 4)) {
        expect(bytes.readUInt16BE(at + 2)).toBe(id);
        bytes.writeUInt16BE(1, at + 2);
      }
      let [received, isOther] = [0, false];
      const stream = new AnswerStream({
        stdout: (piece) => (received += piece.length),
        stderr: () => (isOther = true),
      });
      expect(stream.push(bytes)).toEqual({ kind: 'ended', appStatus: 0, protocolStatus: 0 });
      expect([received, isOther]).toEqual([28 + length, false]);
      expect(new AnswerReader().push(bytes)).toMatchObject({ kind: 'answered', status: 200 });
    }),
    { numRuns: 30 },
  );
});

describe('what is asked beside a request', () => {
  test('known values are told, and only those that were asked for', () => {
    const asked = Buffer.concat([encodePair(['FCGI_MPXS_CONNS', '']), encodePair(['OTHER', ''])]);
    const [reply] = read(encodeRecord(types.getValues, 0, asked));
    expect(reply?.kind).toBe('reply');
    if (reply?.kind !== 'reply') return;
    expect(reply.bytes[1]).toBe(types.valuesResult);
    expect(Object.fromEntries(decodePairs(reply.bytes.subarray(8)))).toEqual({ FCGI_MPXS_CONNS: '0' });
  });

  test('an unknown management record is answered as unknown, by its type', () => {
    const [reply] = read(encodeRecord(77, 0, empty));
    expect(reply?.kind === 'reply' && [reply.bytes[1], reply.bytes[8]]).toEqual([types.unknown, 77]);
  });

  test('the empty record behind the names is no question', () => {
    expect(read(encodeRecord(types.getValues, 0, empty))).toEqual([]);
  });
});

describe('what is not served', () => {
  test.each([
    ['an authorizer', begin(1, role.authorizer), 'over', 3],
    ['an authorizer on a connection that is kept', begin(1, role.authorizer, 1), 'reply', 3],
    ['a second request in the middle of one', Buffer.concat([begin(1), begin(2)]), 'reply', 1],
    [
      'parameters without end',
      Buffer.concat([begin(1), ...[1, 2].map(() => encodeRecord(types.params, 1, Buffer.alloc(40_000)))]),
      'over',
      2,
    ],
    ['a request that is aborted', Buffer.concat([begin(1), encodeRecord(types.abort, 1, empty)]), 'over', 0],
  ])('%s', (_name, bytes, kind, status) => {
    const last = read(bytes).at(-1);
    expect([last?.kind, statusOf(last)]).toEqual([kind, status]);
  });

  test.each([
    ['no FastCGI', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a beginning that is too short', encodeRecord(types.begin, 1, Buffer.of(0, 1))],
    [
      'records without end',
      Buffer.concat(
        Array.from({ length: application.applicationLimits.records + 1 }, () => encodeRecord(99, 5, empty)),
      ),
    ],
    [
      'a body without end',
      Buffer.concat([
        encodeHead({}, role.responder),
        ...Array.from({ length: 5 }, () => encodeBody(Buffer.alloc(60_000))),
      ]),
    ],
  ])('%s ends it without a word', (_name, bytes) => {
    expect(read(bytes).at(-1)).toEqual({ kind: 'over', bytes: empty });
  });

  test('what belongs to no request is skipped', () => {
    const other = encodeRecord(types.params, 9, Buffer.from('x'));
    expect(kinds(read(Buffer.concat([other, encodeRequest({ A: 'b' }), other])))).toEqual([
      'request',
      'whole',
    ]);
  });

  test('a request that is aborted behind its answer gets no second end', () => {
    const bytes = Buffer.concat([encodeHead({}, role.responder), encodeRecord(types.abort, 1, empty)]);
    expect(kinds(read(bytes))).toEqual(['request', 'whole']);
  });
});

test('one connection has one request after the other, as long as it likes', () => {
  const many = Array.from({ length: application.applicationLimits.records }, () => encodeRequest({ A: 'b' }));
  const reader = new application.ApplicationReader();
  const received = many.flatMap((bytes) => kinds([...reader.push(bytes)]));
  expect(received.filter((kind) => kind !== 'request' && kind !== 'whole')).toEqual([]);
  expect(received).toHaveLength(2 * many.length);
});

test('pairs that are cut short end the list, and any bytes are read', () => {
  expect(Object.fromEntries(decodePairs(params(1, ['A', 'b'], ['C', 'd']).subarray(8, -1)))).toEqual({
    A: 'b',
  });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decodePairs(Buffer.from(bytes))).toBeInstanceOf(Map);
    }),
  );
});

test('any bytes are read to an end', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 20 }), (chunks) => {
      const reader = new application.ApplicationReader();
      for (const chunk of chunks) {
        // Version 1, so that it does not end at once.
        const received = [...reader.push(Buffer.from([1, ...chunk]))];
        if (received.some(({ kind }) => kind === 'over')) return;
      }
    }),
  );
});
