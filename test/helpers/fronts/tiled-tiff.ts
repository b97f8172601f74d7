// A picture of noise in a file that image servers can read in pieces: TIFF, gray, uncompressed, in tiles.
import { createHash } from 'node:crypto';

const TILE = 256;
const HEADER_BYTES = 8;
const types = { short: 3, long: 4 } as const;

/** So many tiles a side, of 256 pixels. The same bytes every time. */
export function tiledTiff(tilesPerSide: number): Buffer {
  const tileBytes = TILE * TILE;
  const count = tilesPerSide ** 2;
  const side = TILE * tilesPerSide;
  const pixels = noise(count * tileBytes);
  const numbers = (first: number, step: number): number[] =>
    Array.from({ length: count }, (_, n) => first + n * step);
  const offsets = longs(numbers(HEADER_BYTES, tileBytes));
  const lengths = longs(numbers(tileBytes, 0));
  const offsetsAt = HEADER_BYTES + pixels.length;
  const directoryAt = offsetsAt + offsets.length + lengths.length;
  const entries = [
    entry(256, types.long, 1, side),
    entry(257, types.long, 1, side),
    entry(258, types.short, 1, 8), // bits of a sample
    entry(259, types.short, 1, 1), // uncompressed
    entry(262, types.short, 1, 1), // 0 is black
    entry(277, types.short, 1, 1), // samples of a pixel
    entry(322, types.long, 1, TILE),
    entry(323, types.long, 1, TILE),
    entry(324, types.long, count, offsetsAt),
    entry(325, types.long, count, offsetsAt + offsets.length),
  ];
  const header = Buffer.from('II*\0\0\0\0\0');
  header.writeUInt32LE(directoryAt, 4);
  const entryCount = Buffer.alloc(2);
  entryCount.writeUInt16LE(entries.length);
  return Buffer.concat([header, pixels, offsets, lengths, entryCount, ...entries, longs([0])]);
}

function entry(tag: number, type: number, count: number, value: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(tag, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.writeUInt32LE(count, 4);
  bytes.writeUInt32LE(value, 8);
  return bytes;
}

function longs(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, n) => bytes.writeUInt32LE(value, 4 * n));
  return bytes;
}

function noise(bytes: number): Buffer {
  return createHash('shake256', { outputLength: bytes }).update('noise').digest();
}
