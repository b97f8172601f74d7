// Bytes to stdout or stderr by writeSync only, since process.stdout would make a
// caller's pipe non-blocking for everybody.
import { writeSync } from 'node:fs';

/** A reader that went away must not turn a success into a failure; false: not all was taken. */
export function writeFully(descriptor: number, text: string | Buffer, waitsForever = false): boolean {
  return failureOf(descriptor, text, waitsForever) === undefined;
}

/** The error that kept some of it from being written; undefined: all of it was. */
export function failureOf(
  descriptor: number,
  text: string | Buffer,
  waitsForever = false,
): NodeJS.ErrnoException | undefined {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  let patience = waitsForever ? Number.POSITIVE_INFINITY : 400;
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(descriptor, bytes, sent);
    } catch (error) {
      // The caller's pipe may be non-blocking and full: wait for its reader.
      if ((error as { code?: string }).code !== 'EAGAIN' || patience-- === 0)
        return error as NodeJS.ErrnoException;
      pause();
    }
  }
  return undefined;
}

/** For who must wait and has nothing else to do. */
export function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
}
