// A time as the value of an option, in milliseconds, or the line that refuses it.
import { SpawnFcgiError } from '../core/errors.ts';
import { parseTime } from '../core/quantity.ts';

/** Undefined: the option was not given. */
export function parseDuration(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseTime(text);
  if (ms !== undefined) return ms;
  throw new SpawnFcgiError(`invalid time for ${flag}: '${text}'`, {
    hints: [`${flag} takes a number with ms, s, m or h, for example 500ms or 30s; a bare number is seconds`],
  });
}

/** At least so much. */
export function parseDurationFrom(
  flag: string,
  text: string | undefined,
  leastMs: number,
  least: string,
): number | undefined {
  const ms = parseDuration(flag, text);
  if (ms === undefined || ms >= leastMs) return ms;
  throw new SpawnFcgiError(`invalid time for ${flag}: '${text}'`, {
    hints: [`${flag} takes at least ${least}`],
  });
}
