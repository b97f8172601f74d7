// What users see: lines on stdout and stderr by writeSync only, since
// process.stdout would make a caller's pipe non-blocking for everybody.
import { writeSync } from 'node:fs';
import { SpawnFcgiError } from '../core/errors.ts';

/** Prints 1.6's form of a line: `spawn-fcgi: TEXT`. */
export function printError(text: string): void {
  write(2, `spawn-fcgi: ${text}\n`);
}

export function printHint(text: string): void {
  printError(`hint: ${text}`);
}

export function printLine(text: string): void {
  write(1, `spawn-fcgi: ${text}\n`);
}

export function printText(text: string): void {
  write(1, text);
}

/** An error's line and hints. */
export function printFailure(error: unknown): void {
  if (!(error instanceof SpawnFcgiError)) {
    printError(
      `unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return;
  }
  printError(error.message);
  error.hints.forEach(printHint);
}

/** A reader that went away must not turn a success into a failure. */
function write(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  let patience = 400;
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(descriptor, bytes, sent);
    } catch (error) {
      // The caller's pipe may be non-blocking and full: wait for its reader.
      if ((error as { code?: string }).code !== 'EAGAIN' || patience-- === 0) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
