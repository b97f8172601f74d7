// One start in the background, timed until the command returns, and everything it made ended again.
import type { Command, PoolWish } from './commands.ts';
import { runToReturn } from './pool.ts';
import { endAll } from './processes-started.ts';
import { freshAddress, freshReports, type Family, type Workplace } from './workplace.ts';

export type CommandLine = (place: Workplace, wish: PoolWish) => Command;

/** Milliseconds. No round feels the one before: its processes are gone when this returns. */
export async function timeStart(
  place: Workplace,
  family: Family,
  workers: number,
  line: CommandLine,
): Promise<number> {
  const wish = { address: await freshAddress(place, family), workers, reports: freshReports(place) };
  const { ms, pids } = runToReturn(place, line(place, wish));
  const reports = await wish.reports.waitForCount(workers);
  await endAll(pids);
  await endAll(reports.map(({ pid }) => pid));
  return ms;
}
