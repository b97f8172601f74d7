// Measures a pool's processes for its figures: each worker is its session.
import { readUsage, type ReadProc } from '../../sys/proc/stat-usage.ts';
import type { PoolStatus } from '../protocol.ts';
import type { PoolUsage, Usage } from './pool-figures.ts';

export function measureUsage(read: ReadProc, { pid, workers, spares }: PoolStatus): PoolUsage {
  const supervisor = readUsage(read, pid);
  const measured = new Map<number, Usage>();
  let cpuMs = supervisor?.childrenCpuMs ?? 0;
  for (const worker of [...workers, ...(spares?.workers ?? [])]) {
    const usages = worker.pids.map((one) => readUsage(read, one)).filter((usage) => usage !== undefined);
    if (worker.pid === null || usages.length === 0) continue;
    const own = sumOf(usages.map((usage) => usage.cpuMs + usage.childrenCpuMs));
    cpuMs += own;
    measured.set(worker.pid, { rssBytes: sumOf(usages.map(({ rssBytes }) => rssBytes)), cpuMs: own });
  }
  return { supervisor, cpuMs: supervisor && cpuMs, workers: measured };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
