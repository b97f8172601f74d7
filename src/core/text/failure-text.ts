// A failure that nobody has put into words, in a line: what was called, on what, and why not. Of a mistake of ours, where.
import { errnoOf } from '../errors.ts';

/** `textOf`: the C library's text for a number. */
export function describeFailure(error: unknown, textOf: (errno: number) => string): string {
  const { syscall, path, message = String(error), stack } = asFacts(error);
  const errno = errnoOf(error);
  if (syscall !== undefined && errno !== 0) {
    const object = path === undefined ? '' : ` '${path}'`;
    return `${syscall}${object} failed: ${textOf(errno)}`;
  }
  const [line = ''] = message.split('\n');
  const [, where] = /\n\s+at (.+)/.exec(stack ?? '') ?? [];
  return `unexpected error: ${line}${where === undefined ? '' : ` (at ${where})`}`;
}

interface Facts {
  readonly syscall?: string;
  readonly path?: string;
  readonly message?: string;
  readonly stack?: string;
}

function asFacts(error: unknown): Facts {
  return typeof error === 'object' && error !== null ? error : {};
}
