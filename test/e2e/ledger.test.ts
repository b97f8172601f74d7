// The ledger's own proof with real programs: nothing is lost when nothing happens, and what a kill loses is on record.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { waitFor } from '../helpers/machine/index.ts';
import { applications, plainProgram, startSite, siteWorkers } from '../helpers/site/index.ts';
import { readEcho, send, emptyLedger, startLoad, transports } from '../helpers/web/index.ts';

const WORKERS = 4;
const REQUESTS = 150;

describe.for(applications)('$name', { timeout: 120_000 }, (application) => {
  beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

  test.for(transports)('over %s answers every request with its release', async (transport) => {
    const site = await startSite(application, transport, {
      workers: WORKERS,
      commandLine: (program, dir) => {
        writeFileSync(join(dir, 'RELEASE'), 'first\n');
        return [program];
      },
    });
    const { nginxLog: errorLog } = site;
    const load = startLoad(site.port, { mostRequests: REQUESTS, workMs: 2, errorLog });
    const slow = { query: 'who&sleep=120' };
    const begin = performance.now();
    const echo = readEcho(await send(site.port, slow), slow);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(120);
    expect(siteWorkers(site.pool)).toContain(echo?.pid);

    const ledger = await load.finished;
    expect(ledger.lost).toEqual([]);
    expect(ledger.counts).toEqual({ ...emptyLedger().counts, answered: REQUESTS });
  });
});

test.for(transports)(
  'over %s workers killed under load lose what they were working on',
  async (transport, ctx) => {
    ctx.skip(plainProgram.missing !== undefined, plainProgram.missing);
    const site = await startSite(plainProgram, transport, { workers: WORKERS });
    const before = siteWorkers(site.pool);
    const load = startLoad(site.port, { clients: WORKERS, workMs: 100, errorLog: site.nginxLog });
    await waitFor('requests on all workers', () => load.ended() >= WORKERS * 2);
    for (const worker of before) process.kill(worker, 'SIGKILL');
    await waitFor('the requests after that', () => load.ended() >= WORKERS * 6);
    const { sent, counts, lost } = await load.stop();

    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThanOrEqual(WORKERS);
    expect(counts.reset + counts.truncated, lost.join('\n')).toBe(lost.length);
    expect(counts.answered + lost.length).toBe(sent);
  },
);
