// A process that only lives, until the test ends.
import { execa } from 'execa';
import { atEnd } from './cleanup.ts';
import { stopProcess } from './processes.ts';

/** Its PID; that of a supervisor, or of a worker, for who does not look closely. */
export async function startSleeper(): Promise<number> {
  const child = execa('sleep', ['600'], { reject: false, stdio: 'ignore' }).nodeChildProcess;
  const pid = child.pid ?? 0;
  atEnd(() => stopProcess(pid));
  return pid;
}
