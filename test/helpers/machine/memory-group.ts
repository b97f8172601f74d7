/** A memory cgroup of a test's own, with a limit and no swap; of version 1 or 2, as the machine has it. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd } from './cleanup.ts';
import { waitFor } from './wait-for.ts';

export interface MemoryGroup {
  /** A shell command that moves its shell there. */
  readonly enter: string;
  /** Moves a process there. */
  readonly add: (pid: number) => void;
  /** How often the kernel has killed somebody. */
  readonly kills: () => number;
}

const versions = [
  {
    root: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    swap: 'memory.memsw.limit_in_bytes',
    events: 'memory.oom_control',
  },
  { root: '/sys/fs/cgroup', limit: 'memory.max', swap: 'memory.swap.max', events: 'memory.events' },
] as const;

/** Or why there can be none. */
export function makeMemoryGroup(limitMiB: number): MemoryGroup | string {
  const version = versions.find(({ root, limit }) => canLimit(root, limit));
  if (!version) return 'needs a memory cgroup that can be made below /sys/fs/cgroup';
  const path = join(version.root, groupName());
  mkdirSync(path);
  atEnd(async () => {
    await waitFor('the end of the memory cgroup', () => isRemoved(path));
  });
  const bytes = String(limitMiB << 20);
  writeFileSync(join(path, version.limit), bytes);
  // With version 1 memory and swap together; a kernel without swap has neither.
  if (existsSync(join(path, version.swap)))
    writeFileSync(join(path, version.swap), version.swap === 'memory.swap.max' ? '0' : bytes);
  return {
    enter: `echo 0 >'${join(path, 'cgroup.procs')}'`,
    add: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(path, version.events), 'utf8'))?.[1]),
  };
}

export function canLimit(root: string, limit: string): boolean {
  const path = join(root, `${groupName()}-try`);
  try {
    mkdirSync(path);
  } catch {
    return false;
  }
  const isLimited = existsSync(join(path, limit));
  rmdirSync(path);
  return isLimited;
}

/** Not while the kernel still buries somebody. */
export function isRemoved(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

export function groupName(): string {
  return `spawn-fcgi-test-${process.pid}`;
}
