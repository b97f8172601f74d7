// Resource limits. RLIMIT_NOFILE: Node raises the soft limit to the hard one before any
// JavaScript runs; workers must get the caller's value back.
import { unlimited, type ResourceName } from '../../core/worker-attributes.ts';
import { check, libc } from '../libc/libc.ts';

/** Numbers of <asm-generic/resource.h>, which x86 and ARM have. */
export const resourceNumbers: Readonly<Record<ResourceName, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

export interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** A limit as `ulimit` and /proc/PID/limits write it; undefined for anything else. */
export function parseLimit(text: string | undefined): bigint | undefined {
  if (text === 'unlimited') return unlimited;
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

export function getFileLimit(): Limit {
  return getLimit('nofile');
}

/** How many bytes a file of ours may have. */
export function getFileSizeLimit(): bigint {
  return getLimit('fsize').soft;
}

/** One `struct rlimit`: a respawn waits for its limits, and Buffer's own reading of such numbers takes ten times as long. */
const numbers = new BigUint64Array(2);
const bytes = Buffer.from(numbers.buffer);

export function getLimit(name: ResourceName): Limit {
  check('getrlimit', () => libc.getrlimit(resourceNumbers[name], bytes));
  return { soft: numbers[0] ?? 0n, hard: numbers[1] ?? 0n };
}

export function setFileLimit(limit: Limit): void {
  setLimit('nofile', limit);
}

export function setLimit(name: ResourceName, limit: Limit): void {
  numbers[0] = limit.soft;
  numbers[1] = limit.hard;
  check('setrlimit', () => libc.setrlimit(resourceNumbers[name], bytes));
}

/** `struct rlimit` of 64-bit machines. */
export function limitBytes({ soft, hard }: Limit): Buffer {
  const buffer = Buffer.alloc(16);
  buffer.writeBigUInt64LE(soft, 0);
  buffer.writeBigUInt64LE(hard, 8);
  return buffer;
}
