// --rlimit, --nice, --umask, --no-new-privileges: what workers are held to.
import { SpawnFcgiError } from '../core/errors.ts';
import { parseSize, parseTime, parseWhole } from '../core/quantity.ts';
import {
  resourceNames,
  unlimited,
  type ResourceLimit,
  type ResourceName,
  type WorkerAttributes,
} from '../core/worker-attributes.ts';
import type { RawOptions } from './options.ts';

const ofBytes: ReadonlySet<ResourceName> = new Set([
  'as',
  'core',
  'data',
  'fsize',
  'memlock',
  'msgqueue',
  'rss',
  'stack',
]);

export function parseAttributes({
  rlimit = [],
  nice,
  umask,
  noNewPrivileges = false,
}: Pick<RawOptions, 'rlimit' | 'nice' | 'umask' | 'noNewPrivileges'>): WorkerAttributes {
  const limits = new Map(rlimit.map((text) => parseLimit(text)).map((limit) => [limit.name, limit]));
  return {
    limits: [...limits.values()],
    nice: parseNice(nice),
    umask: parseUmask(umask),
    hasNoNewPrivileges: noNewPrivileges,
  };
}

function parseLimit(text: string): ResourceLimit {
  const [, word = '', soft, hard] = /^([a-z]+)=([^:]+)(?::([^:]+))?$/.exec(text) ?? [];
  const name = resourceNames.find((known) => known === word);
  if (name === undefined || soft === undefined) {
    throw refuseLimit(text, `names are ${resourceNames.join(', ')}`);
  }
  const limit = { name, soft: parseValue(name, soft, text), hard: parseValue(name, hard ?? soft, text) };
  if (limit.soft > limit.hard) throw refuseLimit(text, 'the first value, the soft limit, is the larger one');
  return limit;
}

function parseValue(name: ResourceName, value: string, text: string): bigint {
  if (value === 'unlimited') return unlimited;
  const number = parseAmount(name, value);
  if (number === undefined) throw refuseLimit(text, `${name} takes ${describeAmount(name)}, or unlimited`);
  return BigInt(number);
}

function parseAmount(name: ResourceName, value: string): number | undefined {
  if (ofBytes.has(name)) return parseSize(value);
  if (name !== 'cpu') return /^\d/.test(value) ? parseWhole(value, 0, Number.MAX_SAFE_INTEGER) : undefined;
  const ms = parseTime(value);
  // The kernel counts whole seconds, and takes 0 for 1.
  return ms !== undefined && ms % 1000 === 0 ? ms / 1000 : undefined;
}

function describeAmount(name: ResourceName): string {
  if (ofBytes.has(name)) return 'bytes, as 65536, 64K, 256M or 1G';
  if (name === 'cpu') return 'whole seconds, as 90, 90s or 5m';
  return name === 'rttime' ? 'microseconds' : 'a whole number';
}

function refuseLimit(text: string, hint: string): SpawnFcgiError {
  return new SpawnFcgiError(`invalid value for --rlimit: '${text}'`, {
    hints: [`--rlimit takes NAME=SOFT or NAME=SOFT:HARD, such as --rlimit nofile=1024:4096; ${hint}`],
  });
}

function parseNice(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = parseWhole(text, -20, 19);
  if (value !== undefined) return value;
  throw new SpawnFcgiError(`invalid number for --nice: '${text}'`, {
    hints: ['--nice takes a whole number from -20 (first) to 19 (last)'],
  });
}

function parseUmask(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-7]{1,4}$/.test(text) && Number.parseInt(text, 8) <= 0o777) return Number.parseInt(text, 8);
  throw new SpawnFcgiError(`invalid mask for --umask: '${text}'`, {
    hints: ['--umask takes an octal number such as 027'],
  });
}
