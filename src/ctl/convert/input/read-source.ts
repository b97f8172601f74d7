// The file to convert: regular files and standard input, text of a size that a configuration has. A FIFO or a device that
// would hold up the reader is refused.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { SpawnFcgiError } from '../../../core/errors.ts';
import type { Source } from '../kinds/kind.ts';

const mostBytes = 1024 * 1024;

/** Throws the line that refuses it. */
export function readSource(path: string): Source {
  if (path === '-') return { path: 'standard input', text: decode(path, readAll(0, path)) };
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw refuse(path, explain((error as NodeJS.ErrnoException).code));
  }
  try {
    if (!fstatSync(descriptor).isFile()) throw refuse(path, 'it is no file; `-` reads standard input');
    return { path, text: decode(path, readAll(descriptor, path)) };
  } finally {
    closeSync(descriptor);
  }
}

function readAll(descriptor: number, path: string): Buffer {
  const buffer = Buffer.alloc(mostBytes + 1);
  let used = 0;
  try {
    for (let got = -1; got !== 0 && used < buffer.length; used += got)
      got = readSync(descriptor, buffer, used, buffer.length - used, null);
  } catch (error) {
    throw refuse(path, explain((error as NodeJS.ErrnoException).code));
  }
  if (used > mostBytes) throw refuse(path, 'it has more than 1 MB, as no configuration of pools has');
  return buffer.subarray(0, used);
}

/** Of bytes that are not UTF-8 U+FFFD is left: in a comment they do no harm, a value with it is named. */
function decode(path: string, bytes: Buffer): string {
  if (bytes.includes(0)) throw refuse(path, 'it is no text');
  return bytes
    .toString('utf8')
    .replace(/^\u{feff}/u, '')
    .replaceAll('\r\n', '\n');
}

function explain(code = 'it cannot be read'): string {
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EACCES' ? 'permission denied' : code;
}

function refuse(path: string, reason: string): SpawnFcgiError {
  return new SpawnFcgiError(`cannot convert '${path}': ${reason}`);
}
