// Real programs behind real nginx, over TCP and a Unix socket: workers killed under requests, stop and start.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { beforeEach, describe, expect, test } from 'vitest';
import { noProcess } from '../../src/core/no-process.ts';
import { allStats, needRoot, waitFor } from '../helpers/machine/index.ts';
import * as sites from '../helpers/site/index.ts';
import { startLoad, type Load } from '../helpers/web/index.ts';

const WORKERS = 3;
const KILLS = 5;
/** Requests between two kills, and the bound of the whole stream. */
const REQUESTS_PER_KILL = 40;
const MOST_REQUESTS = 20_000;

describe.for(sites.applicationsByTransport)(
  '$name over $transport',
  { timeout: 30_000 },
  ({ application, transport }) => {
    beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

    test('workers killed under a stream of requests are all replaced, at one lost request each at most', async () => {
      const site = await sites.startSite(application, transport, { workers: WORKERS });
      await sites.fullSite(site.pool, application.name, WORKERS);
      const load = startLoad(site.port, { mostRequests: MOST_REQUESTS });
      const killed = await killWorkers(site, application.name, load);
      const ledger = await load.stop();

      // nginx answers 502 for a lost one, or, when it had read no more than the header, 200 without a body.
      expect(ledger.lost.length, ledger.lost.join('\n')).toBeLessThanOrEqual(KILLS);
      expect(ledger.sent).toBeLessThan(MOST_REQUESTS);
      await sites.fullSite(site.pool, application.name, WORKERS, killed);
      await sites.expectAnswers(site.port);
    });

    test('TERM to the PID in the PID file ends everything, and the same start works right away', async () => {
      const site = await sites.startSite(application, transport, { workers: WORKERS });
      await sites.expectAnswers(site.port, 3);
      await stopByPidFile(site);
      await sites.expectSiteEnded(site);
      expect(existsSync(site.pidFile), 'PID file').toBe(false);
      expect(site.socketPath !== undefined && existsSync(site.socketPath), 'socket').toBe(false);
      if (site.poolPort !== undefined) await expectPortIsFree(site.poolPort);

      const next = await site.startAgain();
      expect(readFileSync(site.pidFile, 'utf8')).toBe(String(next.pid));
      await sites.expectAnswers(site.port, 3);
      await stopByPidFile(site);
      await site.startAgain();
      await sites.expectAnswers(site.port, 3);
    });
  },
);

describe.for(sites.applicationsByTransport.filter(({ application }) => application === sites.libfcgiProgram))(
  '$name over $transport in a directory that only root may write',
  ({ application, transport }) => {
    beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

    test('leaves at most a PID file that names nobody and a dead socket, which the next start replaces', async (ctx) => {
      needRoot(ctx);
      const site = await sites.startSite(application, transport, { runDirOwner: 'root' });
      await stopByPidFile(site);
      await sites.expectSiteEnded(site);
      expect(readFileSync(site.pidFile, 'utf8')).toBe(String(noProcess));
      await site.startAgain();
      await sites.expectAnswers(site.port, 3);
    });
  },
);

/** Kills the longest-living worker, `KILLS` times, each time in the middle of the stream and with the pool full. */
async function killWorkers(site: sites.Site, name: string, load: Load): Promise<number[]> {
  const killed: number[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const from = load.ended();
    await waitFor('requests between two kills', () => load.ended() - from >= REQUESTS_PER_KILL);
    const oldest = oldestOf(await sites.fullSite(site.pool, name, WORKERS, killed));
    process.kill(oldest, 'SIGKILL');
    killed.push(oldest);
  }
  return killed;
}

function oldestOf(pids: number[]): number {
  const [oldest] = allStats()
    .filter(({ pid }) => pids.includes(pid))
    .toSorted((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  if (!oldest) throw new Error('no worker');
  return oldest.pid;
}

/** As init scripts do: kill $(cat file), and wait until that process is gone. */
async function stopByPidFile(site: sites.Site): Promise<void> {
  const pid = Number(readFileSync(site.pidFile, 'utf8'));
  process.kill(pid, 'SIGTERM');
  await waitFor(
    'the end of the supervisor',
    () => !allStats().some((stat) => stat.pid === pid && stat.state !== 'Z'),
  );
}

function expectPortIsFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve()));
  });
}
