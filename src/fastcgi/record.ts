// A record, as both sides write them (FastCGI specification, section 3.3). Bytes only.

export const version = 1;
export const headerBytes = 8;
export const recordType = { begin: 1, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7 } as const;
/** The largest multiple of 8 that a record's length can tell: no record needs padding. */
export const maxContent = 65_528;

/** Without padding: no content that is sent here needs it. */
export function encodeRecord(type: number, requestId: number, content: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(type, requestId, content.length), content]);
}

/** Of a record whose content follows. */
export function encodeHeader(type: number, requestId: number, length: number): Buffer {
  return Buffer.of(version, type, requestId >> 8, requestId & 0xff, length >> 8, length & 0xff, 0, 0);
}
