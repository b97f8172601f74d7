// The names of pools' files in a base directory, by their addresses, and what the files say to whoever holds none of them.
import { constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { addressOfId, poolId, type BoundAddress } from '../../core/pool-id.ts';
import type { PoolState } from '../../core/pool-state.ts';
import { libc } from '../libc/libc.ts';
import { statDescriptor } from '../path/file-at.ts';
import { readPoolState } from '../proc/boot-clock.ts';
import { isSamePath } from '../socket/socket-file.ts';

export function hash(text: string): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex');
}

export function pathsOfPool(
  base: string,
  address: BoundAddress,
): { id: string; lock: string; state: string } {
  const id = poolId(address, hash);
  return { id, lock: join(base, `${id}.lock`), state: join(base, `${id}.state`) };
}

/**
 * The address by which a pool on it is known under this base. A socket's path may have been spelled in another way,
 * through another mount of the same directory: device and inode of that decide. (Links are resolved by now.)
 */
export function knownAddress(base: string, address: BoundAddress): BoundAddress {
  if (address.kind !== 'unix') return address;
  const { path } = address;
  const known = listNames(base)
    .filter((name) => name.endsWith('.lock'))
    .map((name) => addressOfId(name.slice(0, -'.lock'.length)));
  if (known.includes(path)) return address;
  const other = known.find((one) => one.startsWith('/') && isSamePath(one, path));
  return other === undefined ? address : { kind: 'unix', path: other };
}

/** What the pool on this address last said of itself; undefined without a readable state. */
export function readStateOf(base: string, address: BoundAddress): PoolState | undefined {
  return readStateFile(pathsOfPool(base, address).state);
}

/** What the pools under this base last said of themselves; the caller checks which of them live. */
export function readStates(base: string): PoolState[] {
  return listNames(base)
    .filter((name) => name.endsWith('.state'))
    .flatMap((name) => readStateFile(join(base, name)) ?? []);
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Only a file of our own user counts. */
function readStateFile(path: string): PoolState | undefined {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const text = statDescriptor(descriptor).uid === process.getuid?.() ? readAll(descriptor) : '';
    libc.close(descriptor);
    return readPoolState(text);
  } catch {
    return undefined;
  }
}

function readAll(descriptor: number): string {
  const buffer = Buffer.alloc(fstatSync(descriptor).size);
  return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, buffer.length, 0));
}
