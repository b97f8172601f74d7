// What a program said last: the end of its output as lines that are safe to show. No system call.

import { printable } from '../../core/text/printable.ts';

/** As much of the end of the output as is worth keeping. */
export const keptBytes = 8192;
const mostLines = 10;
const mostBytes = 2048;
const cut = '…';

/** The last lines of the output, 10 and 2 KB at most, blank ones left out; the bytes may be the end of a longer output. */
export function lastWords(output: Buffer): string[] {
  const lines = splitLines(output)
    .map(showLine)
    .filter((line) => line.trim() !== '')
    .slice(-mostLines);
  while (lines.length > 1 && bytesOf(lines) > mostBytes) lines.shift();
  return lines.map(shorten);
}

function bytesOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
}

/** The end of a long line, which names the mistake more often than its beginning. */
function shorten(line: string): string {
  const bytes = Buffer.from(line);
  if (bytes.length <= mostBytes) return line;
  let from = bytes.length - mostBytes;
  while (((bytes[from] ?? 0) & 0xc0) === 0x80) from++;
  return cut + bytes.toString('utf8', from);
}

/** An output that was cut begins within a line: it counts only when there is no other. */
function splitLines(output: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = output.indexOf('\n'); end >= 0; end = output.indexOf('\n', from)) {
    lines.push(output.subarray(from, end));
    from = end + 1;
  }
  lines.push(output.subarray(from));
  return output.length >= keptBytes && lines.length > 2 ? lines.slice(1) : lines;
}

function showLine(bytes: Buffer): string {
  // Tabs to be read, all else by its code.
  return printable(decode(bytes).replace(/\r$/, '').replaceAll('\t', '    '));
}

/** UTF-8; bytes that are none are written as `\xff`. */
function decode(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  let shown = '';
  for (let at = 0; at < bytes.length;) {
    const length = lengthOfCharacter(bytes, at);
    shown += length > 0 ? bytes.toString('utf8', at, at + length) : `\\x${bytes.toString('hex', at, at + 1)}`;
    at += Math.max(length, 1);
  }
  return shown;
}

/** Bytes of the character there; 0: it is none. */
function lengthOfCharacter(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    const part = bytes.subarray(at, at + length);
    const text = part.toString('utf8');
    if ([...text].length === 1 && Buffer.from(text).equals(part)) return length;
  }
  return 0;
}
