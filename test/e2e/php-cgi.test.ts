// What only php-cgi does: workers that recycle themselves after some requests, and workers that have children (-C).
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { sessionMembers, waitFor } from '../helpers/machine/index.ts';
import * as sites from '../helpers/site/index.ts';
import { startLoad } from '../helpers/web/index.ts';

const CHILDREN = 2;

describe.for(['TCP', 'a Unix socket'] as const)('php-cgi over %s', { timeout: 30_000 }, (transport) => {
  beforeEach(({ skip }) => skip(sites.phpCgi.missing !== undefined, sites.phpCgi.missing));

  test('PHP_FCGI_MAX_REQUESTS recycles workers at once and loses no request', async () => {
    const [workers, requests, requestsPerWorker] = [3, 240, 20];
    const env = { PHP_FCGI_MAX_REQUESTS: String(requestsPerWorker) };
    const site = await sites.startSite(sites.phpCgi, transport, { workers, env });
    const ledger = await startLoad(site.port, { mostRequests: requests }).finished;
    await sites.fullSite(site.pool, 'php-cgi', workers);

    expect(ledger.lost).toEqual([]);
    await sites.expectAnswers(site.port);
    const { ends, count } = await endsUntilStop(site);
    expect(count).toBeGreaterThanOrEqual(requests / requestsPerWorker - workers);
    expect(ends.filter(({ delayMs }) => delayMs > 0)).toEqual([]);
  });

  test('PHP_FCGI_MAX_REQUESTS=1 under saturation is known for what it is, and keeps slots out of the backoff', async () => {
    const workers = 6;
    const site = await sites.startSite(sites.phpCgi, transport, {
      workers,
      env: { PHP_FCGI_MAX_REQUESTS: '1' },
    });
    const ledger = await startLoad(site.port, { mostRequests: 150 }).finished;
    expect(ledger.lost).toEqual([]);
    const { ends, count } = await endsUntilStop(site);
    expect(count).toBeGreaterThanOrEqual(100);
    // Before anybody was seen to wait, which a busy machine puts off, nobody knows that they recycle themselves: one that
    // ends then before it is up by its age is a start that failed. Without that knowledge it is every fourth.
    expect(ends.filter((end) => end.class !== 'planned').length).toBeLessThanOrEqual(workers);
  });

  test('-C 2: stop leaves no child of PHP', async () => {
    const site = await sites.startSite(sites.phpCgi, transport, {
      workers: 2,
      options: () => ['-C', String(CHILDREN)],
    });
    for (const worker of sites.siteWorkers(site.pool)) await fullSession(worker);
    const pid = await sites.expectEcho(site.port, { query: 'who' });
    expect(sites.siteWorkers(site.pool)).not.toContain(pid);

    process.kill(site.pool.pid, 'SIGTERM');
    await sites.expectSiteEnded(site);
    await site.startAgain();
    await sites.expectAnswers(site.port);
  });

  test('-C 2: kill -9 of the parent ends its children, and a successor with new ones serves', async () => {
    const site = await sites.startSite(sites.phpCgi, transport, { options: () => ['-C', String(CHILDREN)] });
    const [parent = 0] = sites.siteWorkers(site.pool);
    const before = await fullSession(parent);
    const load = startLoad(site.port);
    await waitFor('some requests', () => load.ended() > 20);

    process.kill(parent, 'SIGKILL');
    const [successor = 0] = await sites.fullSite(site.pool, 'php-cgi', 1, [parent]);
    const after = await fullSession(successor);
    await waitFor('the end of the session', () => sessionMembers(parent).length === 0);
    const ledger = await load.stop();
    expect(ledger.lost.length, ledger.lost.join('\n')).toBeLessThanOrEqual(CHILDREN);
    expect(site.processes().toSorted((a, b) => a - b)).toEqual(
      [site.pool.pid, ...after].toSorted((a, b) => a - b),
    );
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    expect(after).toContain(await sites.expectEcho(site.port, { query: 'who' }));
    await sites.expectAnswers(site.port);
  });
});

interface WorkerEnd {
  slot: number;
  uptimeMs: number;
  class: string;
  /** How long the slot stays empty. */
  delayMs: number;
}

/** Stops the pool: what is not written one by one is counted then. `count` has both. */
async function endsUntilStop(site: sites.Site): Promise<{ ends: WorkerEnd[]; count: number }> {
  process.kill(site.pool.pid, 'SIGTERM');
  await sites.expectSiteEnded(site);
  const lines = readFileSync(site.eventLog, 'utf8').trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as WorkerEnd & { event: string; count: number });
  const ends = events.filter(({ event }) => event === 'worker-ended');
  const summed = events.filter(({ event }) => event === 'planned-exits');
  return { ends, count: summed.reduce((sum, { count }) => sum + count, ends.length) };
}

/** Waits until PHP's parent and all its children are there. */
function fullSession(worker: number): Promise<number[]> {
  return waitFor('the children of PHP', () => {
    const members = sessionMembers(worker);
    return members.length === CHILDREN + 1 && members;
  });
}
