// Names and values as records have them (FastCGI specification, section 3.4). Bytes only.

export function encodePair([name, value]: [string, string | Uint8Array]): Buffer {
  const nameBytes = Buffer.from(name);
  const valueBytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([
    encodeLength(nameBytes.length),
    encodeLength(valueBytes.length),
    nameBytes,
    valueBytes,
  ]);
}

/** One byte up to 127, else four with the top bit set. */
function encodeLength(length: number): Buffer {
  if (length < 128) return Buffer.of(length);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length + 0x8000_0000);
  return bytes;
}

/** The last of several with one name counts. One that is cut short, and what follows it, is left out. */
export function decodePairs(content: Buffer): Map<string, string> {
  const pairs = new Map<string, string>();
  for (let at = 0; at < content.length;) {
    const name = readLength(content, at);
    const value = name && readLength(content, name.next);
    if (!value) break;
    const valueAt = value.next + name.length;
    const next = valueAt + value.length;
    if (next > content.length) break;
    pairs.set(content.toString('utf8', value.next, valueAt), content.toString('utf8', valueAt, next));
    at = next;
  }
  return pairs;
}

function readLength(
  content: Buffer,
  at: number,
): { readonly length: number; readonly next: number } | undefined {
  const first = content[at];
  if (first === undefined) return undefined;
  if (first < 128) return { length: first, next: at + 1 };
  if (at + 4 > content.length) return undefined;
  return { length: content.readUInt32BE(at) - 0x8000_0000, next: at + 4 };
}
