// How a process gets its limits, its priority and no new privileges: as calls for a child, or in this very process.
import type { WorkerAttributes } from '../../core/worker-attributes.ts';
import { check, libc } from '../libc/libc.ts';
import { limitBytes, resourceNumbers, setLimit } from '../process/resource-limit.ts';
import type { LibcCall } from './child-calls.ts';

/** Of `setpriority`; of the calling thread, as Linux has it, and of the processes that it starts. */
export const PRIO_PROCESS = 0;
const PR_SET_NO_NEW_PRIVS = 38;

/** The priority first: a limit may forbid it. */
export function callsOf({ limits, nice, hasNoNewPrivileges }: WorkerAttributes): LibcCall[] {
  return [
    ...(nice === undefined ? [] : [['setpriority', PRIO_PROCESS, 0, nice] as const]),
    ...(hasNoNewPrivileges ? [['prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0] as const] : []),
    ...limits.map(
      ({ name, ...limit }) => ['prlimit', 0, resourceNumbers[name], limitBytes(limit), 0] as const,
    ),
  ];
}

/** Of this process, for good; nothing may be left to be done but to execute a program. Throws a SyscallError. */
export function becomeOf({ limits, nice, hasNoNewPrivileges, umask }: WorkerAttributes): void {
  if (umask !== undefined) process.umask(umask);
  if (nice !== undefined) check('setpriority', () => libc.setpriority(PRIO_PROCESS, 0, nice));
  if (hasNoNewPrivileges) check('prctl', () => libc.prctlFlag(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  for (const { name, ...limit } of limits) setLimit(name, limit);
}
