// Whether workers may have the limits and the priority that they are to have, asked of the kernel while we still have the
// caller's privileges. Afterwards each process can only have less than we have, so what is more we get ourselves.
import { readFileSync } from 'node:fs';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import {
  nothingAsked,
  unlimited,
  type ResourceLimit,
  type WorkerAttributes,
} from '../../core/worker-attributes.ts';
import { check, libc } from '../libc/libc.ts';
import { getLimit, setLimit } from '../process/resource-limit.ts';
import { PRIO_PROCESS } from './own-attributes.ts';

export interface Allowed {
  readonly attributes: WorkerAttributes;
  /** What of ours was changed for workers, as the caller had it: for whoever else is started. */
  readonly callers: WorkerAttributes;
}

/**
 * Raises hard limits of this process as far as workers need it, and its priority; throws the refusal where the kernel has
 * one. What workers are to have less of, each gets rid of itself.
 */
export function allowAttributes(attributes: WorkerAttributes): Allowed {
  const raised = attributes.limits.filter((limit) => limit.hard > getLimit(limit.name).hard);
  const limits = raised.map(({ name }) => ({ name, ...getLimit(name) }));
  raised.forEach(raise);
  const nice = attributes.nice === undefined ? undefined : goBefore(attributes.nice);
  return { attributes, callers: { ...nothingAsked, limits, nice } };
}

function raise({ name, soft, hard }: ResourceLimit): void {
  const own = getLimit(name);
  try {
    setLimit(name, { soft: own.soft, hard });
  } catch (error) {
    const option = `--rlimit ${name}=${text(soft)}:${text(hard)}`;
    const most = name === 'nofile' ? mostFiles() : undefined;
    if (most !== undefined && hard > most) {
      throw new SpawnFcgiError(`cannot set ${option}: the kernel allows no more than ${most} files`, {
        cause: error,
        hints: ['fs.nr_open is the most that a process may have: sysctl fs.nr_open'],
      });
    }
    throw new SpawnFcgiError(`cannot set ${option}: ${libc.strerror(errnoOf(error))}`, {
      cause: error,
      hints: [
        `the hard limit is ${text(own.hard)}, and to raise it needs the capability CAP_SYS_RESOURCE, which root has outside of containers`,
      ],
    });
  }
}

/** Nobody who has given up root goes before others for a child. The caller's value, if ours is another now. */
function goBefore(nice: number): number | undefined {
  const callers = process.getBuiltinModule('node:os').getPriority();
  if (nice >= callers) return undefined;
  try {
    check('setpriority', () => libc.setpriority(PRIO_PROCESS, 0, nice));
    return callers;
  } catch (error) {
    throw new SpawnFcgiError(`cannot set --nice ${nice}: ${libc.strerror(errnoOf(error))}`, {
      cause: error,
      hints: [
        `the caller's is ${callers}: below it needs the capability CAP_SYS_NICE, which root has, or a limit that allows it (systemd: LimitNICE=${nice})`,
      ],
    });
  }
}

function mostFiles(): bigint | undefined {
  try {
    return BigInt(readFileSync('/proc/sys/fs/nr_open', 'latin1').trim());
  } catch {
    return undefined;
  }
}

function text(value: bigint): string {
  return value === unlimited ? 'unlimited' : String(value);
}
