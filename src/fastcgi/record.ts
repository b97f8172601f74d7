// A record, as both sides write them (FastCGI specification, section 3.3). Bytes only.

export const version = 1;
export const headerBytes = 8;

/** Without padding: no content that is sent here needs it. */
export function encodeRecord(type: number, requestId: number, content: Buffer): Buffer {
  const header = Buffer.of(version, type, 0, requestId, content.length >> 8, content.length & 0xff, 0, 0);
  return Buffer.concat([header, content]);
}
