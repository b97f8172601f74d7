// Where a directory is for a process in a chroot, for which links lead inside the root, and nothing above it.
import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { AT_FDCWD, O_CLOEXEC, O_PATH, statAt, statDescriptor } from './file-at.ts';
import { attempt, libc } from '../libc/libc.ts';

/** Same number on every architecture but alpha. */
const SYS_openat2 = 437;
const RESOLVE_IN_ROOT = 0x10;
/** The kernel's own bound (path_resolution(7)). */
const mostLinks = 40;

/** The path from here, links resolved as far as there is something to resolve. */
export function resolveInRoot(root: string, path: string): string {
  return askKernel(root, path) ?? walkInRoot(root, path);
}

/** Undefined: no such directory, a kernel before 5.6, a seccomp filter that forbids it, or no /proc of ours. */
function askKernel(root: string, path: string): string | undefined {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(O_PATH | constants.O_DIRECTORY | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT), 16);
  let base: number;
  try {
    base = openSync(root, O_PATH | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
  const found = attempt(() =>
    libc.syscallOpenat2(SYS_openat2, 'int', base, 'str', path, 'void *', how, 'ulong', how.length),
  );
  closeSync(base);
  if (found < 0) return undefined;
  try {
    const name = readlinkSync(`/proc/self/fd/${found}`);
    return statAt(AT_FDCWD, name)?.identity === statDescriptor(found).identity ? name : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(found);
  }
}

/** The same by hand, for where the kernel cannot be asked; a name that is not there stays as it is. */
export function walkInRoot(root: string, path: string): string {
  const done: string[] = [];
  const todo = path.split('/');
  let links = 0;
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    if (name === '..') done.pop();
    if (name === '' || name === '.' || name === '..') continue;
    const target = links < mostLinks ? linkTarget(join(root, ...done, name)) : undefined;
    if (target === undefined) {
      done.push(name);
      continue;
    }
    links += 1;
    if (target.startsWith('/')) done.length = 0;
    todo.unshift(...target.split('/'));
  }
  return join(root, ...done);
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
