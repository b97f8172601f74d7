// A signal by its number or its name, as configurations write it.
import { constants } from 'node:os';

/** `15`, `SIGTERM`, `TERM`: TERM. */
export function signalName(text: string): string | undefined {
  const number = /^\d+$/.test(text) ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^(?:SIG)?/, 'SIG');
  const found = Object.entries(constants.signals).find(
    ([known, value]) => known === name || value === number,
  );
  return found?.[0].slice(3);
}
