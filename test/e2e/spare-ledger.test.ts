// The proof for spare workers with real programs: behind nginx, under load, workers are killed and reloads go on. What a
// killed worker had in its hands is lost, and nothing else; every successor is the spare, and it serves.
import { readFileSync } from 'node:fs';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import { reload } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const WORKERS = 3;
const KILLS = 3;
const CLIENTS = 2;
const rows: web.LedgerRow[] = [];

afterAll(() => {
  if (rows.length > 0) console.log(web.drawLedgers(rows));
});

interface Event {
  readonly event: string;
  readonly workerPid?: number;
  readonly successorPid?: number;
}

function eventsOf({ eventLog }: sites.Site, name: string): Event[] {
  const lines = readFileSync(eventLog, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Event).filter(({ event }) => event === name);
}

/** The PID of the spare that is ready after so many were before it. */
async function readySpare(site: sites.Site, before: number): Promise<number> {
  const ready = await machine.waitFor('the next spare', () => eventsOf(site, 'spare-ready')[before], {
    timeoutMs: 20_000,
  });
  return ready.workerPid ?? 0;
}

async function successorOf(site: sites.Site, worker: number): Promise<number | undefined> {
  const end = await machine.waitFor('its end', () =>
    eventsOf(site, 'worker-ended').find(({ workerPid }) => workerPid === worker),
  );
  return end.successorPid;
}

const byTransport = sites.applications.flatMap((application) =>
  web.transports.map((transport) => ({ name: application.name, application, transport })),
);

describe.for(byTransport)(
  '$name over $transport',
  { timeout: 120_000 },
  ({ name, application, transport }) => {
    beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

    test('a killed worker costs what it was at, its spare serves, and a reload costs nothing', async () => {
      // However young it is, a killed worker is followed at once.
      const options = (): readonly string[] => ['--spare', '1', '--settle', '50ms', '--min-uptime', '0'];
      // php-cgi recycles itself after 500.
      const env = { PHP_FCGI_MAX_REQUESTS: '100000' };
      const site = await sites.startSite(application, transport, { workers: WORKERS, options, env });
      let spare = await readySpare(site, 0);
      const limits = { mostMs: 50_000, errorLog: site.nginxLog, workMs: 5, clients: CLIENTS };
      const start = (what: string, reloads: number): web.Load => {
        const load = web.startLoad(site.port, limits);
        machine.atEnd(async () => void (await load.stop()));
        rows.push({ what: `${name} over ${transport}, ${what}`, reloads, ledger: load.ledger });
        return load;
      };
      const whileKilled = start('killed', 0);
      for (let kill = 0; kill < KILLS; kill++) {
        const worker = sites.siteWorkers(site.pool).find((pid) => pid !== spare) ?? 0;
        process.kill(worker, 'SIGKILL');
        expect(await successorOf(site, worker)).toBe(spare);
        spare = await readySpare(site, kill + 1);
      }
      // A client may hear of its loss only now.
      const { lost } = await whileKilled.stop();
      // Some work on several requests at a time.
      expect(lost.length).toBeLessThanOrEqual(KILLS * CLIENTS);
      const whileReloaded = start('reloaded', 1);
      await machine.waitFor('its first requests', () => whileReloaded.ended() >= CLIENTS);
      expect(await reload(site)).toMatchObject({ result: 'reloaded' });
      const after = await whileReloaded.stop();
      expect(after.lost).toEqual([]);
      expect(after.counts.answered).toBe(after.sent);
      await site.pool.stop();
      await sites.expectSiteEnded(site);
    });
  },
);
