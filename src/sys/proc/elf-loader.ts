// Which dynamic loader a binary asks the kernel for (elf(5), PT_INTERP): of one that is not there execve(2) says
// ENOENT, as of a program that is not there.
import { closeSync, constants, openSync, readSync } from 'node:fs';

const PT_INTERP = 3;
const headBytes = 4096;
const mostHeaders = 64;

/** The offsets of fields in headers of 64 bits and of 32. */
const layouts = {
  2: { phoff: 32, phentsize: 54, phnum: 56, offset: 8, filesz: 32, wide: true },
  1: { phoff: 28, phentsize: 42, phnum: 44, offset: 4, filesz: 16, wide: false },
} as const;

/** The path in the file; undefined when it names none, or cannot be read. */
export function findLoader(path: string): string | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return readLoader(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

function readLoader(descriptor: number): string | undefined {
  const head = readAt(descriptor, 0, headBytes);
  const layout = layouts[head[4] as keyof typeof layouts];
  const isLittleEndian = head[5] === 1;
  if (head.toString('latin1', 0, 4) !== '\x7fELF' || !layout || !isLittleEndian) return undefined;
  const word = (from: Buffer, at: number): number =>
    layout.wide ? Number(from.readBigUInt64LE(at)) : from.readUInt32LE(at);
  const size = head.readUInt16LE(layout.phentsize);
  const count = Math.min(head.readUInt16LE(layout.phnum), mostHeaders);
  const table = readAt(descriptor, word(head, layout.phoff), size * count);
  for (let index = 0; index < count; index++) {
    const header = table.subarray(index * size, (index + 1) * size);
    if (header.readUInt32LE(0) !== PT_INTERP) continue;
    const length = Math.min(word(header, layout.filesz), headBytes);
    return readAt(descriptor, word(header, layout.offset), length).toString().replace(/\0+$/, '');
  }
  return undefined;
}

function readAt(descriptor: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(descriptor, bytes, 0, length, position));
}
