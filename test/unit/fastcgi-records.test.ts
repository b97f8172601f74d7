// FastCGI as bytes: what is sent can be read back, and what comes is the same wherever it is cut.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerStream, type AnswerEnd } from '../../src/fastcgi/answer.ts';
import { CgiHeaderReader } from '../../src/fastcgi/cgi-header.ts';
import { RecordReader } from '../../src/fastcgi/record-reader.ts';
import { encodeBody, encodeHead, role } from '../../src/fastcgi/request.ts';

interface Sent {
  type: number;
  requestId: number;
  content: Uint8Array;
  padding: number;
}

const anyContent = fc.uint8Array({ maxLength: 300 });
const anyRecord: fc.Arbitrary<Sent> = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  requestId: fc.integer({ min: 0, max: 65_535 }),
  content: anyContent,
  padding: fc.integer({ min: 0, max: 255 }),
});

function encode({ type, requestId, content, padding }: Sent): Buffer {
  const header = Buffer.of(1, type, requestId >> 8, requestId & 0xff, 0, 0, padding, 0);
  header.writeUInt16BE(content.length, 4);
  return Buffer.concat([header, content, Buffer.alloc(padding, 0xa5)]);
}

/** The bytes in chunks of the given sizes, which are taken round and round. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const size = sizes[chunks.length % sizes.length] ?? 1;
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return chunks;
}

const anySizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 });

function readRecords(chunks: readonly Buffer[]): Omit<Sent, 'padding'>[] {
  const reader = new RecordReader();
  const records: Omit<Sent, 'padding'>[] = [];
  let content: Buffer[] = [];
  for (const piece of chunks.flatMap((chunk) => [...reader.pieces(chunk)])) {
    content.push(piece.content);
    if (!piece.isLast) continue;
    records.push({ type: piece.type, requestId: piece.requestId, content: Buffer.concat(content) });
    content = [];
  }
  return records;
}

test('records are what was sent, wherever the stream is cut, with padding of any length', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 12 }), anySizes, (sent, sizes) => {
      const records = readRecords(cut(Buffer.concat(sent.map(encode)), sizes));
      expect(records).toEqual(
        sent.map(({ type, requestId, content }) => ({ type, requestId, content: Buffer.from(content) })),
      );
    }),
  );
});

test('a byte in the place of the version that is none ends it, and nothing after it is read', () => {
  fc.assert(
    fc.property(fc.array(anyRecord), fc.integer({ min: 2, max: 255 }), anySizes, (sent, wrong, sizes) => {
      const reader = new RecordReader();
      const bytes = Buffer.concat([...sent.map(encode), Buffer.of(wrong), encode({ ...endRecord, type: 6 })]);
      const pieces = cut(bytes, sizes).flatMap((chunk) => [...reader.pieces(chunk)]);
      expect(reader.isMalformed).toBe(true);
      expect(pieces.filter(({ isLast }) => isLast)).toHaveLength(sent.length);
    }),
  );
});

const endRecord: Sent = { type: 3, requestId: 1, content: Buffer.of(0, 0, 1, 2, 0, 0, 0, 0), padding: 0 };

interface Taken {
  stdout: Buffer;
  stderr: Buffer;
  end: AnswerEnd | undefined;
}

function readAnswer(chunks: readonly Buffer[]): Taken {
  const streams: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  const answer = new AnswerStream({
    stdout: (piece) => streams.stdout.push(Buffer.from(piece)),
    stderr: (piece) => streams.stderr.push(Buffer.from(piece)),
  });
  let end: AnswerEnd | undefined;
  for (const chunk of chunks) end ??= answer.push(chunk);
  return { stdout: Buffer.concat(streams.stdout), stderr: Buffer.concat(streams.stderr), end };
}

describe('an answer', () => {
  /** Of management, of other requests, of types that there are not. */
  const anyNoise = fc.oneof(
    anyRecord.map((record) => ({ ...record, requestId: record.requestId === 1 ? 0 : record.requestId })),
    anyRecord.map((record) => ({ ...record, requestId: 1, type: 12 + (record.type % 244) })),
  );
  const anyOutput = anyRecord.map((record) => ({ ...record, requestId: 1, type: 6 + (record.type % 2) }));

  test('is its two streams, whatever other records come between, and ends with FCGI_END_REQUEST', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anyNoise, anyOutput)), anySizes, (sent, sizes) => {
        const streamOf = (type: number): Buffer =>
          Buffer.concat(
            sent.filter((one) => one.requestId === 1 && one.type === type).map(({ content }) => content),
          );
        const rest = encode({ ...endRecord, type: 6, content: Buffer.from('too late') });
        const bytes = Buffer.concat([...sent.map(encode), encode(endRecord), rest]);
        expect(readAnswer(cut(bytes, sizes))).toEqual({
          stdout: streamOf(6),
          stderr: streamOf(7),
          end: { kind: 'ended', appStatus: 258, protocolStatus: 0 },
        });
      }),
    );
  });

  test('of any bytes whatsoever is something, and throws nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), anySizes, (bytes, sizes) => {
        const { end } = readAnswer(cut(Buffer.from(bytes), sizes));
        if (bytes.length > 0 && bytes[0] !== 1) expect(end).toEqual({ kind: 'malformed' });
      }),
    );
  });

  test('whose FCGI_END_REQUEST is too short is malformed', () => {
    expect(readAnswer([encode({ ...endRecord, content: Buffer.alloc(7) })]).end).toEqual({
      kind: 'malformed',
    });
  });
});

/** Name-value pairs; throws for what is cut off. */
function readPairs(content: Buffer): [string, string][] {
  const pairs: [string, string][] = [];
  let offset = 0;
  const readLength = (): number => {
    const first = content.readUInt8(offset);
    const length = first < 128 ? first : content.readUInt32BE(offset) - 0x8000_0000;
    offset += first < 128 ? 1 : 4;
    return length;
  };
  const readText = (length: number): string => {
    if (offset + length > content.length) throw new Error('a pair is cut off');
    offset += length;
    return content.toString('utf8', offset - length, offset);
  };
  while (offset < content.length) {
    const [name, value] = [readLength(), readLength()];
    pairs.push([readText(name), readText(value)]);
  }
  return pairs;
}

describe('a request', () => {
  const anyText = fc
    .tuple(fc.string({ unit: 'binary', maxLength: 20 }), fc.integer({ min: 1, max: 900 }))
    .map(([text, times]) => text.repeat(times));

  test('has its parameters in records that each have whole pairs', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ minLength: 1 }), anyText), { maxLength: 20 }), (pairs) => {
        const params = Object.fromEntries(pairs);
        const [begin, ...records] = readRecords([encodeHead(params, role.authorizer)]);
        expect(begin).toEqual({ type: 1, requestId: 1, content: Buffer.of(0, 2, 0, 0, 0, 0, 0, 0) });
        expect(records.at(-1)).toEqual({ type: 4, requestId: 1, content: Buffer.alloc(0) });
        const read = records.flatMap(({ content }) => readPairs(Buffer.from(content)));
        expect(Object.fromEntries(read)).toEqual(params);
        expect(records.every(({ type, requestId }) => type === 4 && requestId === 1)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('cuts a pair that fits into no record, and bytes are a value as they are', () => {
    const params = { A: 'b', BYTES: Buffer.of(0xff, 0xfe), LONG: 'x'.repeat(140_000) };
    const records = readRecords([encodeHead(params, role.responder)]);
    const whole = Buffer.concat(records.filter(({ type }) => type === 4).map(({ content }) => content));
    expect(whole.length).toBeGreaterThan(140_000);
    expect(whole.subarray(4, 13)).toEqual(Buffer.from('\x05\x02BYTES\xff\xfe', 'latin1'));
    expect(readPairs(whole).at(-1)).toEqual(['LONG', params.LONG]);
  });

  test('has its body in records, the last of which is empty', () => {
    expect(readRecords([encodeBody(Buffer.from('body')), encodeBody(Buffer.alloc(0))])).toEqual([
      { type: 5, requestId: 1, content: Buffer.from('body') },
      { type: 5, requestId: 1, content: Buffer.alloc(0) },
    ]);
  });
});

describe('the header of an answer', () => {
  test('is the same wherever it is cut, and has its fields', () => {
    const text = 'Status: 404 Not Found\r\nX-Name:  Jos\u00e9 \r\nX-Empty:\r\n\r\nbody: no field\r\n\r\n';
    const bytes = Buffer.from(text);
    fc.assert(
      fc.property(anySizes, (sizes) => {
        const reader = new CgiHeaderReader();
        for (const chunk of cut(bytes, sizes)) reader.push(chunk);
        expect(reader.header).toEqual({
          status: 404,
          reason: 'Not Found',
          fields: [
            ['Status', '404 Not Found'],
            ['X-Name', 'José'],
            ['X-Empty', ''],
          ],
          length: bytes.indexOf('body'),
        });
      }),
    );
  });

  test('that is longer than 64 KiB is none', () => {
    const reader = new CgiHeaderReader();
    for (let count = 0; count < 70; count += 1) reader.push(Buffer.from(`X: ${'y'.repeat(1020)}\n`));
    reader.push(Buffer.from('\n'));
    expect(reader.header).toBeUndefined();
  });
});
