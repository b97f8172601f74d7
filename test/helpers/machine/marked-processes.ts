// Finds everything that one command has started, whoever its parent is by now: by a mark in the environment, which
// all descendants inherit.
import { readFileSync } from 'node:fs';
import { allStats } from './processes.ts';

const NAME = 'E2E_SITE';

export function withMark(env: NodeJS.ProcessEnv, mark: string): NodeJS.ProcessEnv {
  return { ...env, [NAME]: mark };
}

/** The living ones; as an ordinary user without those that the kernel hides, as it does a supervisor's environment. */
export function markedProcesses(mark: string): number[] {
  return allStats()
    .filter(({ pid, state }) => state !== 'Z' && environmentOf(pid).includes(`${NAME}=${mark}`))
    .map(({ pid }) => pid);
}

/** For whatever a failed test has left. */
export function killMarkedProcesses(mark: string): void {
  for (const pid of markedProcesses(mark)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
