// One request as a web server sends it (FastCGI specification, sections 3.4 and 5). Bytes only.
import { encodePair } from './pairs.ts';
import { encodeRecord, maxContent, recordType } from './record.ts';

/** There is one on a connection. */
export const requestId = 1;
/** An authorizer says whether a request may be answered (6.3). */
export const role = { responder: 1, authorizer: 2 } as const;
export type Role = (typeof role)[keyof typeof role];

/** A value may be bytes: a path is. */
export type Parameters = Readonly<Record<string, string | Uint8Array>>;

/** The beginning of a request; its body follows as `encodeBody`. The application is asked to close the connection. */
export function encodeHead(params: Parameters, asked: Role): Buffer {
  const begin = Buffer.of(0, asked, 0, 0, 0, 0, 0, 0);
  return Buffer.concat([
    encodeRecord(recordType.begin, requestId, begin),
    ...packPairs(Object.entries(params).map(encodePair)).map((content) =>
      encodeRecord(recordType.params, requestId, content),
    ),
    encodeRecord(recordType.params, requestId, Buffer.alloc(0)),
  ]);
}

/** At most `maxContent` bytes of a body; none: its end. */
export function encodeBody(bytes: Uint8Array): Buffer {
  return encodeRecord(recordType.stdin, requestId, bytes);
}

/** A whole request without a body. */
export function encodeRequest(params: Parameters, asked: Role = role.responder): Buffer {
  return Buffer.concat([encodeHead(params, asked), encodeBody(Buffer.alloc(0))]);
}

/** Contents of records: PHP and others read each on its own, so that only a pair that fits into none is cut. */
function packPairs(pairs: readonly Buffer[]): Buffer[] {
  const contents: Buffer[][] = [];
  let free = 0;
  for (const pair of pairs) {
    if (pair.length <= free) contents.at(-1)?.push(pair);
    else contents.push([pair]);
    free = (pair.length <= free ? free : maxContent) - pair.length;
  }
  return contents.flatMap((content) => splitContent(Buffer.concat(content)));
}

function splitContent(content: Buffer): Buffer[] {
  const count = Math.ceil(content.length / maxContent);
  return Array.from({ length: count }, (_unused, index) =>
    content.subarray(index * maxContent, (index + 1) * maxContent),
  );
}
