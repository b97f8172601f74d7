// What the options say that workers are watched for: each is off unless it is given.
import type { GuardLimits } from '../core/config.ts';
import type { RawOptions } from './options.ts';
import { parseDurationFrom } from './parse-time.ts';

export function parseGuards(raw: RawOptions): GuardLimits {
  return {
    maxAgeMs: parseDurationFrom('--max-age', raw.maxAge, 1000, '1s'),
  };
}
