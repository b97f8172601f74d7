// Resource limits. RLIMIT_NOFILE: Node raises the soft limit to the hard one before any
// JavaScript runs; workers must get the caller's value back.
import { check, libc } from '../libc/libc.ts';

const RLIMIT_FSIZE = 1;
const RLIMIT_NOFILE = 7;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

export interface Limit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** A limit as `ulimit` and /proc/PID/limits write it; undefined for anything else. */
export function parseLimit(text: string | undefined): bigint | undefined {
  if (text === 'unlimited') return RLIM_INFINITY;
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

export function getFileLimit(): Limit {
  return getLimit(RLIMIT_NOFILE);
}

/** How many bytes a file of ours may have. */
export function getFileSizeLimit(): bigint {
  return getLimit(RLIMIT_FSIZE).soft;
}

function getLimit(resource: number): Limit {
  const buffer = Buffer.alloc(16);
  check('getrlimit', () => libc.getrlimit(resource, buffer));
  return { soft: buffer.readBigUInt64LE(0), hard: buffer.readBigUInt64LE(8) };
}

export function setFileLimit(limit: Limit): void {
  const buffer = Buffer.alloc(16);
  buffer.writeBigUInt64LE(limit.soft, 0);
  buffer.writeBigUInt64LE(limit.hard, 8);
  check('setrlimit', () => libc.setrlimit(RLIMIT_NOFILE, buffer));
}
