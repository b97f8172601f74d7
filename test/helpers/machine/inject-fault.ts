/** Makes system calls of a running process fail, by strace(1). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { atEnd } from './cleanup.ts';
import { needCommands, needTracing } from './requirements.ts';
import { makeTempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

export interface InjectedFault {
  /** Lets the calls be again. */
  stop: () => Promise<void>;
  /** When those that failed were made, in milliseconds. */
  failuresMs: () => number[];
}

/** From now on these calls of the process fail. */
export async function injectFault(
  ctx: TestContext,
  pid: number,
  calls: string,
  error: string,
): Promise<InjectedFault> {
  needCommands(ctx, 'strace');
  needTracing(ctx);
  const output = join(makeTempDir(), 'trace');
  const options = [
    '-f',
    '-qq',
    '-ttt',
    '-o',
    output,
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=${error}`,
  ];
  const tracer = spawn('strace', [...options, '-p', String(pid)], { stdio: 'ignore' });
  const ended = once(tracer, 'exit');
  const stop = async (): Promise<void> => {
    tracer.kill('SIGTERM');
    await ended;
  };
  atEnd(stop);
  await waitFor('the tracer', () => isTraced(pid));
  const failuresMs = (): number[] => {
    const lines = existsSync(output) ? readFileSync(output, 'latin1').split('\n') : [];
    return lines
      .filter((line) => line.includes('(INJECTED)'))
      .map((line) => 1000 * Number(/^\d+ +([\d.]+)/.exec(line)?.[1]));
  };
  return { stop, failuresMs };
}

function isTraced(pid: number): boolean {
  return /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
}
