// What users of spawn-fcgi see: lines on stdout and stderr.
import { SpawnFcgiError } from '../core/errors.ts';
import { writeFully } from './write-fully.ts';

/** Prints 1.6's form of a line: `spawn-fcgi: TEXT`. */
export function printError(text: string): void {
  writeFully(2, `spawn-fcgi: ${text}\n`);
}

export function printHint(text: string): void {
  printError(`hint: ${text}`);
}

export function printLine(text: string): void {
  writeFully(1, `spawn-fcgi: ${text}\n`);
}

export function printText(text: string): void {
  writeFully(1, text);
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
