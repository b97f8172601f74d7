// What is sent and fetched: 10 MB and 5 MB that no piece can be missing from unnoticed.
import { crc32 } from 'node:zlib';

const UPLOAD_BYTES = 10 * 2 ** 20;
const LINE_BYTES = 16;
export const LINES = (5 * 2 ** 20) / LINE_BYTES;

export const upload = Buffer.alloc(UPLOAD_BYTES, 'All work and no play makes Jack a dull boy. ');

/** `LINES` lines, each with its number. */
export const numberedLines = Buffer.from(
  Array.from({ length: LINES }, (_, n) => `${String(n + 1).padStart(LINE_BYTES - 1, '0')}\n`).join(''),
);

/** CRC-32 as the echo programs write it. */
export function sumOf(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}

/** CRC-32 as a number, of some bytes after others. */
export function continueSum(before: Buffer, bytes: Buffer): number {
  return crc32(bytes, crc32(before));
}
