// What users of spawn-fcgi see: lines on stdout and stderr. Written by descriptor, since
// process.stdout would make a caller's pipe non-blocking for everybody.
import { writeSync } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { describeFailure } from '../../core/text/failure-text.ts';
import { printable, printableLines } from '../../core/text/printable.ts';
import { splitAtStrayBytes, valueOfStrayByte } from '../../core/text/stray-byte.ts';
import { writeWithin } from '../../sys/file/bounded-write.ts';
import { libc } from '../../sys/libc/libc.ts';

const errors: string[] = [];

/** What has been printed on standard error, for who has to tell it elsewhere, too. */
export function printedErrors(): readonly string[] {
  return errors;
}

/** Prints 1.6's form of a line: `spawn-fcgi: TEXT`. What others have named cannot move a terminal. */
export function printError(text: string): void {
  const parts = splitAtStrayBytes(text).map((part, index) => (index % 2 === 0 ? printableLines(part) : part));
  const shown = parts.join('');
  errors.push(shown);
  write(2, `spawn-fcgi: ${shown}\n`);
}

/** Prints a hint once, whoever else has found it, too. */
export function printHint(text: string): void {
  const line = `hint: ${printable(text)}`;
  if (!errors.includes(line)) printError(line);
}

export function printLine(text: string): void {
  write(1, `spawn-fcgi: ${text}\n`);
}

export function printText(text: string): void {
  write(1, text);
}

/** An error's line and hints. */
export function printFailure(error: unknown): void {
  if (!(error instanceof SpawnFcgiError)) return printError(describeFailure(error, libc.strerror));
  printError(error.message);
  error.hints.forEach(printHint);
}

/** Where there is no C library to ask whether somebody reads. */
export function printBlindly(error: SpawnFcgiError): void {
  const lines = [error.message, ...error.hints.map((hint) => `hint: ${hint}`)];
  try {
    writeSync(2, lines.map((line) => `spawn-fcgi: ${line}\n`).join(''));
  } catch {
    // The status says it, too.
  }
}

const patienceMs = 1000;
/** Whoever did not read for so long is not waited for a second time. */
const stuck = new Set<number>();

/**
 * A reader that went away must not turn a success into a failure, and one that does not
 * read must not keep a pool from running.
 */
function write(descriptor: number, text: string): void {
  const bytes = encode(text);
  const sent = writeWithin(descriptor, bytes, stuck.has(descriptor) ? 0 : patienceMs);
  if (sent < bytes.length) stuck.add(descriptor);
}

function encode(text: string): Buffer {
  const parts = splitAtStrayBytes(text);
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.of(valueOfStrayByte(part)))),
  );
}
