// A name for connect(2) that leads to the very socket that is meant. Loads no libc.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { maxSocketPath } from '../../core/pool-id.ts';

/** Same number on every Linux architecture; Node's constants lack it. */
const O_PATH = 0o10000000;

export interface NamedSocket {
  readonly path: string;
  /** To be called once connected, or not. */
  readonly release: () => void;
}

/**
 * The path; by a descriptor where it is too long for sun_path, or where another user could put something else there: then it
 * must belong to `owner`, and be no link. Throws what open(2) says, or EACCES.
 */
export function nameSocket(path: string, owner: number | undefined): NamedSocket {
  if (owner === undefined && Buffer.byteLength(path) <= maxSocketPath)
    return { path, release: () => undefined };
  const descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
  const facts = fstatSync(descriptor);
  if (owner !== undefined && (facts.uid !== owner || !facts.isSocket())) {
    closeSync(descriptor);
    throw Object.assign(new Error(`${path} is not the user's socket`), { code: 'EACCES' });
  }
  let isOpen = true;
  return {
    path: `/proc/self/fd/${descriptor}`,
    release() {
      if (isOpen) closeSync(descriptor);
      isOpen = false;
    },
  };
}
