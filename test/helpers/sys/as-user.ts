/**
 * Runs something with the real and effective uid and gid of another user, as a
 * supervisor that has dropped its privileges: the kernel's checks see nothing of
 * root, but it can be taken back, because the saved ids stay.
 */
import { createRequire } from 'node:module';
import type Koffi from 'koffi';

const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
const library = koffi.load(null);
const setresuid = library.func('int setresuid(uint, uint, uint)') as SetIds;
const setresgid = library.func('int setresgid(uint, uint, uint)') as SetIds;

type SetIds = (real: number, effective: number, saved: number) => number;

export function asUser<T>(id: number, run: () => T): T {
  if (setresgid(id, id, 0) !== 0 || setresuid(id, id, 0) !== 0) throw new Error('needs root');
  try {
    return run();
  } finally {
    setresuid(0, 0, 0);
    setresgid(0, 0, 0);
  }
}

/** With the effective ids alone: the kernel lets it read /proc of that user's processes, but not trace them. */
export function asEffectiveUser<T>(id: number, run: () => T): T {
  if (setresgid(0, id, 0) !== 0 || setresuid(0, id, 0) !== 0) throw new Error('needs root');
  try {
    return run();
  } finally {
    setresuid(0, 0, 0);
    setresgid(0, 0, 0);
  }
}
