/**
 * Ends what a side has started: the pool by its PIDs, and then whatever else
 * runs in its directory, which would be a fault of the command.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { allStats, stopProcess, waitFor, type Stat } from '../helpers/machine/index.ts';
import { stopPool } from '../helpers/pool/index.ts';
import type { Call } from './call.ts';
import type { SidePlace } from './place.ts';

/** Returns the command lines of the processes that the end of the pool left. */
export async function endEverything(
  family: readonly number[],
  call: Call,
  { dir }: SidePlace,
): Promise<string[]> {
  await stopPool([...new Set(family)]);
  const find = (): Stat[] =>
    allStats()
      .filter(({ startTime, state, pid }) => startTime >= call.startTime && state !== 'Z' && pid !== call.pid)
      .filter(({ pid }) => belongsTo(dir, pid));
  // The sleep of a stand-in (bin/stand-in.sh) that is not needed any more ends by itself.
  await waitFor('nobody', () => find().length === 0, { timeoutMs: 1000 }).catch(() => undefined);
  const left = find();
  const names = left.map(({ pid }) => commandLine(pid));
  for (const { pid } of left) await stopProcess(pid, { signal: 'SIGKILL' });
  // Who has no command line any more has ended by itself in between.
  return names.filter(Boolean);
}

/** Whether it runs a program of the directory, works in it, or was started for it. */
function belongsTo(dir: string, pid: number): boolean {
  return (
    ['exe', 'cwd', 'root'].some((name) =>
      attempt(() => readlinkSync(`/proc/${pid}/${name}`)).startsWith(dir),
    ) || commandLine(pid).includes(dir)
  );
}

function commandLine(pid: number): string {
  return attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim());
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
