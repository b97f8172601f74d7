/** A pids cgroup of a test's own, in which so many processes and threads can be; of version 1 or 2, as the machine has it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { canLimit, groupName, isRemoved } from './memory-group.ts';
import { waitFor } from './wait-for.ts';

export interface ProcessGroup {
  /** A shell command that moves its shell there. */
  readonly enter: string;
  readonly setLimit: (count: number) => void;
}

/** Or why there can be none. */
export function makeProcessGroup(): ProcessGroup | string {
  const root = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].find((one) => canLimit(one, 'pids.max'));
  if (root === undefined) return 'needs a pids cgroup that can be made below /sys/fs/cgroup';
  const path = join(root, groupName());
  mkdirSync(path);
  atEnd(async () => {
    await waitFor('the end of the pids cgroup', () => isRemoved(path));
  });
  return {
    enter: `echo 0 >'${join(path, 'cgroup.procs')}'`,
    setLimit: (count) => writeFileSync(join(path, 'pids.max'), String(count)),
  };
}
