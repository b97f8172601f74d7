// What the options say that workers are watched for: each is off unless it is given.
import type { GuardLimits } from '../core/config.ts';
import type { RawOptions } from './options.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { parseSize } from '../core/quantity.ts';
import { parseDurationFrom } from './parse-time.ts';

/** No program is smaller. */
const leastBytes = 1024 ** 2;

export function parseGuards(raw: RawOptions): GuardLimits {
  return {
    maxMemoryBytes: parseMemory(raw.maxMemory),
    maxAgeMs: parseDurationFrom('--max-age', raw.maxAge, 1000, '1s'),
  };
}

/** A limit that every program is above is a mistake, such as 256 for 256M. */
function parseMemory(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes >= leastBytes) return bytes;
  throw new SpawnFcgiError(`invalid size for --max-memory: '${text}'`, {
    hints: [
      bytes === undefined
        ? '--max-memory takes a whole number of bytes, or one with K, M or G, for example 256M'
        : '--max-memory takes at least 1M; a bare number is bytes',
    ],
  });
}
