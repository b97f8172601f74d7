// A record, as both sides write them (FastCGI specification, section 3.3). Bytes only.

export const version = 1;
export const headerBytes = 8;
export const recordType = { begin: 1, end: 3, params: 4, stdin: 5, stdout: 6, stderr: 7 } as const;
/** The largest multiple of 8 that a record's length can tell: no record needs padding. */
export const maxContent = 65_528;

/** Without padding: no content that is sent here needs it. */
export function encodeRecord(type: number, requestId: number, content: Uint8Array): Buffer {
  const header = Buffer.of(version, type, 0, requestId, content.length >> 8, content.length & 0xff, 0, 0);
  return Buffer.concat([header, content]);
}
