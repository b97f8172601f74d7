// Memory that the C library reads or has filled: strings, vectors of them, addresses and structures behind pointers.
import type { Koffi } from './load-koffi.ts';
import { native } from './native.ts';

/** A C string's bytes with the final NUL. */
export function cString(text: string | Buffer): Buffer {
  return Buffer.concat([typeof text === 'string' ? Buffer.from(text) : text, Buffer.of(0)]);
}

/**
 * A NULL-terminated `char *[]` in memory that stays alive as long as the result:
 * raw bytes, so that names and values need not be UTF-8.
 */
export class StringVector {
  readonly pointers: Buffer;
  /** Keeps the strings from being collected while `pointers` refers to them. */
  readonly strings: Buffer;

  constructor(entries: readonly (string | Buffer)[]) {
    const encoded = entries.map(cString);
    this.strings = Buffer.concat([...encoded, Buffer.of(0)]);
    this.pointers = Buffer.alloc(8 * (entries.length + 1));
    const base = native().koffi.address(this.strings);
    let offset = 0;
    encoded.forEach((entry, index) => {
      this.pointers.writeBigUInt64LE(base + BigInt(offset), index * 8);
      offset += entry.length;
    });
  }
}

/** The address of a Buffer's memory, for structures that contain pointers. */
export function addressOf(buffer: Buffer): bigint {
  return native().koffi.address(buffer);
}

/** Decodes `struct passwd` or `struct group` behind a pointer. */
export function decodeNamed(
  pointer: unknown,
  structure: 'passwd' | 'group',
): { name: string; uid: number; gid: number } {
  const type =
    structure === 'passwd'
      ? (passwdType ??= native().koffi.struct('passwd', {
          name: 'str',
          passwd: 'str',
          uid: 'uint32_t',
          gid: 'uint32_t',
        }))
      : (groupType ??= native().koffi.struct('group', { name: 'str', passwd: 'str', gid: 'uint32_t' }));
  return { uid: 0, ...(native().koffi.decode(pointer, type) as { name: string; gid: number }) };
}
let passwdType: ReturnType<Koffi['struct']> | undefined;
let groupType: ReturnType<Koffi['struct']> | undefined;
