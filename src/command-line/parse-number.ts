// A whole number as the value of an option, or the line that refuses it.
import { SpawnFcgiError } from '../core/errors.ts';
import { parseWhole } from '../core/quantity.ts';

/** Undefined: the option was not given. */
export function parseNumber(
  flag: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = parseWhole(text, min, max);
  if (value !== undefined) return value;
  throw new SpawnFcgiError(`invalid number for ${flag}: '${text}'`, {
    hints: [`${flag} takes a whole number from ${min} to ${max}`],
  });
}
