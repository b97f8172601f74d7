// What the options say that workers are watched for: each is off unless it is given.
import type { GuardLimits } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import type { RawOptions } from './options.ts';
import { parseSize } from '../core/quantity.ts';
import { parseSignal } from './parse-signal.ts';
import { parseDurationFrom } from './parse-time.ts';

/** No program is smaller. */
const leastBytes = 1024 ** 2;

export function parseGuards(raw: RawOptions): GuardLimits {
  return {
    maxMemoryBytes: parseMemory(raw.maxMemory),
    maxAgeMs: parseDurationFrom('--max-age', raw.maxAge, 1000, '1s'),
    ...parseRequestTimeout(raw),
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

function parseRequestTimeout(raw: RawOptions): Pick<GuardLimits, 'requestTimeoutMs' | 'stuckSignal'> {
  const requestTimeoutMs = parseDurationFrom('--request-timeout', raw.requestTimeout, 1000, '1s');
  const stuckSignal = raw.stuckSignal === undefined ? undefined : parseStuckSignal(raw.stuckSignal);
  if (stuckSignal !== undefined && requestTimeoutMs === undefined) {
    throw new SpawnFcgiError('--stuck-signal needs --request-timeout', {
      hints: ['--request-timeout TIME says when a worker is stuck, and so when it gets the signal'],
    });
  }
  return { requestTimeoutMs, stuckSignal };
}

function parseStuckSignal(text: string): GuardLimits['stuckSignal'] {
  const signal = parseSignal(text);
  if (signal !== undefined) return signal;
  throw new SpawnFcgiError(`invalid value for --stuck-signal: '${text}'`, {
    hints: ['--stuck-signal takes the name of a signal, such as USR1 or ABRT'],
  });
}
