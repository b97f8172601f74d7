// Refuses values that Node could not decode: it would use another path. -f goes to the shell in bytes.
import { SpawnFcgiError } from '../core/errors.ts';
import { flagOf, options, type RawOptions } from './options.ts';

/** `encodeValue` gives the bytes of one option's value, as they were passed. */
export function requireUtf8(raw: RawOptions, encodeValue: (value: string) => Buffer): void {
  for (const option of options) {
    const { key } = option;
    if (key === 'version' || key === 'help' || key === 'command') continue;
    const given = raw[key];
    const values = typeof given === 'string' ? [given] : Array.isArray(given) ? (given as string[]) : [];
    const value = values.find((one) => !encodeValue(one).equals(Buffer.from(one)));
    if (value === undefined) continue;
    throw new SpawnFcgiError(`value of ${flagOf(option)} is not UTF-8: '${value}'`);
  }
}
