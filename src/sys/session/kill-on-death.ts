// KILL by the kernel to a process group when we die, without a process that waits for that: both ends of a pipe
// are ours and signal its owner (fcntl(2), F_SETOWN, F_SETSIG) when the other end is closed, which the end of
// this process does.
import { O_CLOEXEC } from '../path/file-at.ts';
import { attempt, libc } from '../libc/libc.ts';
import { F_GETFL, F_SETFL, F_SETOWN, F_SETSIG, O_ASYNC } from '../libc/fcntl-numbers.ts';

const SIGKILL = 9;

/**
 * False where it cannot be done. The group is meant, not its number: the kernel holds it from now on, so it must
 * just have been proven to be the right one. The pipe stays open: to close it is the signal.
 */
export function killGroupOnDeath(group: number): boolean {
  const ends = Buffer.alloc(8);
  if (attempt(() => libc.pipe2(ends, O_CLOEXEC)) < 0) return false;
  // Both, since either may be closed first.
  return [ends.readInt32LE(0), ends.readInt32LE(4)].every((end) => signalsGroup(end, group));
}

function signalsGroup(descriptor: number, group: number): boolean {
  const set = (command: number, value: number): boolean =>
    attempt(() => libc.fcntl(descriptor, command, 'int', value)) >= 0;
  const flags = attempt(() => libc.fcntl(descriptor, F_GETFL, 'int', 0));
  return set(F_SETSIG, SIGKILL) && set(F_SETOWN, -group) && set(F_SETFL, flags | O_ASYNC);
}
