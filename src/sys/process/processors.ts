// How many processors this process may use: sched_setaffinity(2) and cpusets, and the CPU quota of its cgroups, of which a
// container has one (cgroups(7); cpu.max of version 2, cpu.cfs_quota_us of version 1).
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseControlGroups } from './control-group.ts';

/** The text of a file; undefined where it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** At least 1; a part of a processor counts as a whole one. */
export function countProcessors(read: ReadText = readText): number {
  return Math.max(1, Math.min(allowedProcessors(read), Math.ceil(quotaOf(read))));
}

/** The mask is in hexadecimal, with a comma after each 32 of them. */
function allowedProcessors(read: ReadText): number {
  const [, mask] = /^Cpus_allowed:\s*([\da-f,]+)$/m.exec(read('/proc/self/status') ?? '') ?? [];
  if (mask === undefined) return availableParallelism();
  const bits = [...mask.replaceAll(',', '')].map((digit) => Number.parseInt(digit, 16).toString(2));
  return bits.join('').replaceAll('0', '').length;
}

/** In processors: the least that any cgroup above us has. */
function quotaOf(read: ReadText): number {
  const { memberships } = parseControlGroups(read('/proc/self/cgroup') ?? '');
  const mounts = parseMounts(read('/proc/self/mountinfo') ?? '');
  const quotas = memberships.flatMap(({ controllers, path }) => {
    const isSecond = controllers === '';
    if (!isSecond && !controllers.split(',').includes('cpu')) return [];
    const mount = mounts.find((one) => one.isSecond === isSecond && (isSecond || one.hasCpu));
    if (!mount) return [];
    const quota = isSecond ? secondQuota : firstQuota;
    return upwards(mount, path).map((directory) => quota(directory, read) ?? Number.POSITIVE_INFINITY);
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

/** `150000 100000`, or `max 100000`. */
function secondQuota(directory: string, read: ReadText): number | undefined {
  const [quota, period] = (read(`${directory}/cpu.max`) ?? '').split(/\s+/).map(Number);
  return ratio(quota, period);
}

/** -1: none. */
function firstQuota(directory: string, read: ReadText): number | undefined {
  const quota = Number(read(`${directory}/cpu.cfs_quota_us`));
  return ratio(quota, Number(read(`${directory}/cpu.cfs_period_us`)));
}

function ratio(quota = 0, period = 0): number | undefined {
  return quota > 0 && period > 0 ? quota / period : undefined;
}

interface CgroupMount {
  /** What of the hierarchy is mounted there, and where. */
  readonly root: string;
  readonly point: string;
  readonly isSecond: boolean;
  readonly hasCpu: boolean;
}

/** Of proc(5), mountinfo. */
function parseMounts(text: string): CgroupMount[] {
  return text.split('\n').flatMap((line) => {
    const [, root = '', point = '', type, options = ''] =
      /^\d+ \d+ \S+ (\S+) (\S+) .* - (\S+) \S+ (\S+)$/.exec(line) ?? [];
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    const isSecond = type === 'cgroup2';
    return [{ root: plain(root), point: plain(point), isSecond, hasCpu: options.split(',').includes('cpu') }];
  });
}

/** The cgroup's directory and those above it, as far as they are mounted here. */
function upwards({ root, point }: CgroupMount, path: string): string[] {
  const isBelow = root === '/' || path === root || path.startsWith(`${root}/`);
  // What is outside of the mount cannot be looked at: in a container the mount is its own cgroup.
  const own = isBelow && !path.startsWith('/..') ? path.slice(root === '/' ? 0 : root.length) : '';
  const parts = own.split('/').filter((part) => part !== '');
  return Array.from({ length: parts.length + 1 }, (_unused, depth) =>
    [point, ...parts.slice(0, depth)].join('/'),
  );
}

function plain(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_all, octal: string) =>
    String.fromCodePoint(Number.parseInt(octal, 8)),
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
