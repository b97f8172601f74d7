// The Node that our command runs on.
import { basename } from 'node:path';
import { readProcess } from '../helpers/machine/processes.ts';
import { startSupervisor } from './pool.ts';
import { endAll } from './processes-started.ts';
import { freshAddress, freshReports, type Workplace } from './workplace.ts';

/** "node -e 0" is fair only with the very Node that our command finds for itself. */
export async function findOurNode(place: Workplace): Promise<string> {
  const wish = { address: await freshAddress(place, 'Unix'), workers: 1, reports: freshReports(place) };
  const supervisor = startSupervisor('ours', place, wish);
  const exe = readProcess(supervisor)?.exe;
  const workers = await wish.reports.waitForCount(1);
  await endAll([supervisor]);
  await endAll(workers.map(({ pid }) => pid));
  // With --command it need not be a Node program at all.
  return exe !== undefined && basename(exe).startsWith('node') ? exe : process.execPath;
}
