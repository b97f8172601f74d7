// What /proc says of what a supervisor costs.
import { readdirSync, readFileSync } from 'node:fs';
import type { ContenderName } from './row.ts';
import { summarize, type Sample } from './statistics.ts';

export interface Watched {
  name: ContenderName;
  pid: number;
}

export function threadsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`);
}

function sumOf(pattern: RegExp, text: string): number {
  return [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
}

/** Of all threads since their start: who wakes up has waited before, and a busy machine adds nothing to that. */
export function wakeUpsOf(pid: number): number {
  const texts = threadsOf(pid).map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'));
  return texts.reduce((sum, text) => sum + sumOf(/^voluntary_ctxt_switches:\s*(\d+)/gm, text), 0);
}

export function privateDirtyMiB(pid: number): number {
  return sumOf(/Private_Dirty:\s*(\d+) kB/g, readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) / 1024;
}

export function residentMiB(pid: number): number {
  return sumOf(/^VmRSS:\s*(\d+) kB/gm, readFileSync(`/proc/${pid}/status`, 'utf8')) / 1024;
}

export function cellsOf(
  watched: readonly Watched[],
  valueOf: (process: Watched) => number,
): Partial<Record<ContenderName, Sample>> {
  return Object.fromEntries(watched.map((process) => [process.name, summarize([valueOf(process)])]));
}
