// Text for STATUS= of sd_notify(3), one line.
import { printable } from './printable.ts';

const mostCharacters = 500;

/** What others have named can neither forge a line nor be endless. */
export function asStatus(text: string): string {
  return printable(text).slice(0, mostCharacters);
}
