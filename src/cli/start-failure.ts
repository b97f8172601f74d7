// A first worker that died: 1.6's line for it, and hints when all of them did.
import type { Config } from '../core/config.ts';
import { exitStatus, isForkError } from '../core/errors.ts';
import type { WorkerEnd } from '../core/pool.ts';
import { describeChildDeath } from '../core/worker-exit.ts';
import { E, libc } from '../sys/libc.ts';
import { explainExecFailure, shellCommandPath } from '../sys/program-check.ts';

const shellCannotExecute = 126;
const shellNotFound = 127;

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
  if (first.kind === 'not-executed' && program.kind === 'argv')
    return explainExec(program.argv[0], first.errno);
  if (program.kind !== 'shell' || first.kind !== 'exited') return [];
  const path = shellCommandPath(program.command);
  if (path === undefined)
    return first.status === shellNotFound ? ['/bin/sh could not find the command of -f'] : [];
  if (first.status === shellNotFound) return explainExec(path, E.NOENT);
  return first.status === shellCannotExecute ? explainExec(path, E.ACCES) : [];
}

export function explainExec(path: string, errno: number): string[] {
  return [explainExecFailure(path, errno) ?? `exec of '${path}' failed: ${libc.strerror(errno)}`];
}
