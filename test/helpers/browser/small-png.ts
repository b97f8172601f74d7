// A picture with 256 colours at most, a quarter as large: what a page looks like needs no more (PNG, RFC 2083).
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
const mostColours = 256;

interface Picture {
  readonly width: number;
  readonly height: number;
  /** 0xRRGGBB, row by row. */
  readonly pixels: Uint32Array;
}

export function withFewColours(png: Buffer): Buffer {
  const { width, height, pixels } = decode(png);
  const palette = choosePalette(pixels);
  const nearest = new Map<number, number>();
  const rows = Buffer.alloc((width + 1) * height);
  pixels.forEach((pixel, index) => {
    const colour = nearest.get(pixel) ?? findNearest(palette, pixel);
    nearest.set(pixel, colour);
    // Each row begins with its filter, which is none.
    rows[index + Math.floor(index / width) + 1] = colour;
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits, by a palette.
  header.set([8, 3], 8);
  const colours = Buffer.from(palette.flatMap((colour) => split(colour)));
  const chunks = [
    ['IHDR', header],
    ['PLTE', colours],
    ['IDAT', deflateSync(rows, { level: 9 })],
    ['IEND', Buffer.alloc(0)],
  ] as const;
  return Buffer.concat([signature, ...chunks.map(([type, data]) => encodeChunk(type, data))]);
}

/** Of 8 bits a channel, with or without alpha, not interlaced: as browsers write them. */
function decode(png: Buffer): Picture {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const size = png.readUInt8(25) === 6 ? 4 : 3;
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const bytes = unfilter(inflateSync(Buffer.concat(data)), width * size, size);
  const pixels = Uint32Array.from({ length: width * height }, (_, index) =>
    bytes.readUIntBE(index * size, 3),
  );
  return { width, height, pixels };
}

/** The five filters of section 6: each byte is told as the difference to a guess by its neighbours. */
function unfilter(raw: Buffer, rowBytes: number, size: number): Buffer {
  const bytes = Buffer.alloc((raw.length / (rowBytes + 1)) * rowBytes);
  const known = (row: number, column: number): number =>
    row < 0 || column < 0 ? 0 : Number(bytes[row * rowBytes + column]);
  for (let row = 0; row * rowBytes < bytes.length; row++) {
    const start = row * (rowBytes + 1);
    for (let column = 0; column < rowBytes; column++) {
      const [left, up] = [known(row, column - size), known(row - 1, column)];
      const corner = column < size ? 0 : known(row - 1, column - size);
      const guesses = [0, left, up, Math.floor((left + up) / 2), closest(left, up, corner)];
      const guess = guesses[Number(raw[start])] ?? 0;
      bytes[row * rowBytes + column] = Number(raw[start + 1 + column]) + guess;
    }
  }
  return bytes;
}

/** Paeth's. */
function closest(left: number, up: number, corner: number): number {
  const sum = left + up - corner;
  const [byLeft, byUp, byCorner] = [left, up, corner].map((one) => Math.abs(sum - one));
  if (Number(byLeft) <= Number(byUp) && Number(byLeft) <= Number(byCorner)) return left;
  return Number(byUp) <= Number(byCorner) ? up : corner;
}

function choosePalette(pixels: Uint32Array): number[] {
  const counts = new Map<number, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const often = [...counts].sort(([, one], [, other]) => other - one);
  return often.slice(0, mostColours).map(([colour]) => colour);
}

function findNearest(palette: readonly number[], pixel: number): number {
  const wanted = split(pixel);
  const distances = palette.map((colour) =>
    split(colour).reduce((sum, channel, index) => sum + (channel - Number(wanted[index])) ** 2, 0),
  );
  return distances.indexOf(Math.min(...distances));
}

function split(colour: number): number[] {
  return [colour >> 16, (colour >> 8) & 255, colour & 255];
}

function encodeChunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
