// What users of spawn-fcgictl see: results on stdout, `spawn-fcgictl: TEXT` on stderr.
// Text of others has been made printable before.
import { getSystemErrorMessage } from 'node:util';
import { SpawnFcgiError } from '../../core/errors.ts';
import { describeFailure } from '../../core/text/failure-text.ts';
import { writeFully } from './write-fully.ts';
import { printable, printableLines } from '../../core/text/printable.ts';

export function printText(text: string): void {
  writeFully(1, text);
}

export function printError(text: string): void {
  writeFully(2, `spawn-fcgictl: ${printableLines(text)}\n`);
}

export function printFailure(error: unknown): void {
  if (error instanceof SpawnFcgiError) printError(error.message);
  else printError(printable(describeFailure(error, textOf)));
}

/** The C library's text, as Node has it: libc is not loaded. */
export function textOf(errno: number): string {
  return getSystemErrorMessage(-errno) ?? `error ${errno}`;
}
