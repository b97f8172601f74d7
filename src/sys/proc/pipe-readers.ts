// Who reads a pipe, as far as we may look.
import { readFileSync } from 'node:fs';
import { allPids, openFilesOf } from './process-look.ts';

export interface PipeReader {
  readonly pid: number;
  readonly name: string;
}

const O_ACCMODE = 3;

/** `pipe` as /proc names it: `pipe:[123]`. */
export function readersOf(pipe: string): PipeReader[] {
  return allPids()
    .filter((pid) =>
      openFilesOf(pid).some(([descriptor, target]) => target === pipe && reads(pid, descriptor)),
    )
    .map((pid) => ({ pid, name: attempt(`/proc/${pid}/comm`).trim() }));
}

function reads(pid: number, descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(attempt(`/proc/${pid}/fdinfo/${descriptor}`))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & O_ACCMODE) === 0;
}

function attempt(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
