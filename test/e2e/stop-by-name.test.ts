// A pool stopped by the program's name, as `killall app` and `killall -9 app` do it: every process of that name, in the
// order of PIDs. Done here by PID and to this pool alone.
import { beforeEach, describe, expect, test } from 'vitest';
import { familyOf } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';

const WORKERS = 3;
/** So that workers count as grown up, and one that dies would be replaced at once. */
const OPTIONS = ['--min-uptime', '0'];

describe.for(sites.applicationsByTransport)(
  '$name over $transport',
  { timeout: 30_000 },
  ({ name, application, transport }) => {
    beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

    test.for(['SIGTERM', 'SIGKILL'] as const)(
      '%s to all processes of its name ends the pool, and the same start works right afterwards',
      async (signal) => {
        const site = await sites.startSite(application, transport, {
          workers: WORKERS,
          options: () => OPTIONS,
        });
        await sites.fullSite(site.pool, name, WORKERS);
        await sites.expectAnswers(site.port, 3);
        expect(signalByName(site, name, signal)).toBe(1 + WORKERS);

        const next = await site.startAgain();
        await sites.fullSite(next, name, WORKERS);
        await sites.expectAnswers(site.port);

        process.kill(next.pid, 'SIGTERM');
        await sites.expectSiteEnded(site);
      },
    );
  },
);

/** Returns how many processes it signalled. */
function signalByName(site: sites.Site, name: string, signal: NodeJS.Signals): number {
  const namesakes = familyOf(site.pool.pid)
    .filter(({ comm }) => comm === name.slice(0, 15))
    .toSorted((a, b) => a.pid - b.pid);
  for (const { pid } of namesakes) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended since, as killall would find.
    }
  }
  return namesakes.length;
}
