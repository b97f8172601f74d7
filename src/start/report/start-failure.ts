// A first worker that died: 1.6's line for it, and hints when all of them did.
import { existsSync } from 'node:fs';
import type { Config } from '../../core/config.ts';
import { exitStatus, isForkError } from '../../core/errors.ts';
import type { WorkerEnd } from '../../core/worker-exit.ts';
import { describeChildDeath } from '../../core/worker-exit.ts';
import { E, libc } from '../../sys/libc/libc.ts';
import { explainExecFailure, explainShellFailure } from '../../sys/proc/program-check.ts';
import { executedPath } from '../../sys/process/spawn-worker.ts';

/** What /bin/sh exits with when it could not execute the command, or not find it. */
const shellFailures: ReadonlySet<number> = new Set([126, 127]);
const shell = '/bin/sh';

/** 1.6's line; posix_spawn reports the two errors of fork(2) among those of exec. */
export function describeFirstEnd(end: WorkerEnd): string {
  if (end.kind !== 'not-executed') return describeChildDeath(end);
  return isForkError(end.errno)
    ? `fork failed: ${libc.strerror(end.errno)}`
    : `child exited with: ${end.errno}`;
}

/** 1.6's status for a child that died; a first worker that exits 0 has failed all the same. */
export function statusOf(end: WorkerEnd): number {
  switch (end.kind) {
    case 'not-executed':
      return end.errno;
    case 'exited':
      return end.status || exitStatus.failed;
    case 'signaled':
      return exitStatus.failed;
  }
}

/** What the file of the program tells about the failure; empty when nothing plain is wrong. */
export function explainStartFailure(config: Config, first: WorkerEnd): string[] {
  const { program } = config;
  if (first.kind === 'not-executed') return explainExec(config, executedPath(program), first.errno);
  if (first.kind === 'exited' && first.status === 0 && config.model !== 'unsupervised')
    return ['the program ended with 0 at once; one that puts itself into the background must be told not to'];
  if (program.kind !== 'shell' || first.kind !== 'exited' || !shellFailures.has(first.status)) return [];
  return within(config, explainShellFailure(program.command, first.status));
}

/** Why the program, or the shell of -f, cannot be executed. `path` is what is looked at. */
export function explainExec(config: Config, path: string, errno: number): string[] {
  const { program, chroot } = config;
  if (program.kind === 'shell' && chroot !== undefined && errno === E.NOENT && !existsSync(shell))
    return [
      `-f runs its command by ${shell}, which is not in the chroot '${chroot}'; name the program itself: -- PROGRAM`,
    ];
  if (isForkError(errno)) return [];
  return within(
    config,
    explainExecFailure(path, errno) ?? `exec of '${path}' failed: ${libc.strerror(errno)}`,
  );
}

/** Paths are looked up inside the chroot by now. */
function within({ chroot }: Config, hint: string | undefined): string[] {
  if (hint === undefined) return [];
  return [chroot === undefined ? hint : `${hint} (inside the chroot '${chroot}')`];
}
