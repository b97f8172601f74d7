// Which unit of systemd a process belongs to, by its cgroups (cgroups(7)), and how this process comes into another's.
import { readFileSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import type { ProcFs } from '../proc/proc-fs.ts';

/** One line of /proc/PID/cgroup. */
interface Membership {
  /** Controllers of a hierarchy of version 1, `name=systemd` among them; empty: version 2. */
  readonly controllers: string;
  readonly path: string;
}

export interface ControlGroups {
  readonly memberships: readonly Membership[];
  /** The cgroup of its unit, all of it; undefined: it is in none. */
  readonly unit: string | undefined;
}

/** Undefined where nobody can say. */
export function controlGroupsOf(proc: ProcFs, pid: number | 'self'): ControlGroups | undefined {
  const text = proc.readText(`${pid}/cgroup`);
  return text === undefined ? undefined : parseControlGroups(text);
}

export function parseControlGroups(text: string): ControlGroups {
  const memberships = text.split('\n').flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return path === '' ? [] : [{ controllers, path }];
  });
  const ofManager = memberships.filter(
    ({ controllers }) => controllers === '' || controllers === 'name=systemd',
  );
  const path = ofManager.map((one) => one.path).find((one) => one.includes('.service'));
  return { memberships, unit: path === undefined ? undefined : unitPath(path) };
}

/** What is below a unit's own cgroup is the unit's, too. */
function unitPath(path: string): string | undefined {
  return /^.*\/[^/]+\.service(?=\/|$)/.exec(path)?.[0];
}

/** The name of a unit by its cgroup. */
export function unitName(unit: string): string {
  return unit.slice(unit.lastIndexOf('/') + 1);
}

/**
 * Puts this process, all of its threads, where another one is, in each hierarchy in which they differ: its limits are
 * ours then. 0, or minus errno, with those before already changed.
 */
export function joinControlGroups(theirs: ControlGroups, ours: ControlGroups): number {
  let mounts: ReadonlyMap<string, string>;
  try {
    mounts = readMounts();
  } catch (error) {
    return -errnoOf(error);
  }
  for (const { controllers, path } of theirs.memberships) {
    const own = ours.memberships.find((one) => one.controllers === controllers);
    if (own?.path === path) continue;
    const mount = mounts.get(controllers);
    // Somebody else's business: no directory of ours leads there.
    if (mount === undefined) continue;
    try {
      writeFileSync(`${mount}${path}/cgroup.procs`, '0', { flag: 'r+' });
    } catch (error) {
      return -errnoOf(error);
    }
  }
  return 0;
}

/** Where hierarchies are mounted whole, by their controllers (proc(5), mountinfo). */
function readMounts(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [, root, point = '', type, options = ''] =
      /^\d+ \d+ \S+ (\S+) (\S+) .* - (\S+) \S+ (\S+)$/.exec(line) ?? [];
    if (root !== '/' || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    const controllers = type === 'cgroup2' ? '' : controllersOf(options);
    if (!found.has(controllers)) found.set(controllers, point.replaceAll(/\\(\d{3})/g, unescape));
  }
  return found;
}

/** As /proc/PID/cgroup names them. */
function controllersOf(options: string): string {
  return options
    .split(',')
    .filter((option) => !mountOptions.has(option))
    .join(',');
}

const mountOptions: ReadonlySet<string> = new Set(['rw', 'ro', 'xattr', 'clone_children', 'noprefix']);

function unescape(_all: string, octal: string): string {
  return String.fromCodePoint(Number.parseInt(octal, 8));
}
