// What users of spawn-fcgictl see: results on stdout, `spawn-fcgictl: TEXT` on stderr.
// Text of others has been made printable before.
import { SpawnFcgiError } from '../../core/errors.ts';
import { writeFully } from '../write-fully.ts';
import { printable, printableLines } from '../../core/printable.ts';

export function printText(text: string): void {
  writeFully(1, text);
}

export function printError(text: string): void {
  writeFully(2, `spawn-fcgictl: ${printableLines(text)}\n`);
}

export function printFailure(error: unknown): void {
  if (error instanceof SpawnFcgiError) printError(error.message);
  else
    printError(
      `unexpected error: ${printable(error instanceof Error ? (error.stack ?? error.message) : String(error))}`,
    );
}
