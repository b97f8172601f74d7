// A worker is its whole session: a wrapper script that starts the program as a child, beside another process.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { fixture } from '../helpers/build/index.ts';
import { readStat, sessionMembers, waitFor } from '../helpers/machine/index.ts';
import * as sites from '../helpers/site/index.ts';

const WRAPPER = 'session-of-three.sh';
/** The kernel cuts names at 15 characters. */
const MEMBERS = ['libfcgi-echo', 'session-of-thre', 'sleep'];

describe.for(['TCP', 'a Unix socket'] as const)(
  'a wrapper script with two children, over %s',
  (transport) => {
    beforeEach(({ skip }) => skip(sites.libfcgiProgram.missing !== undefined, sites.libfcgiProgram.missing));

    test('kill -9 of the wrapper ends its whole session, and a successor serves', async () => {
      const site = await startWrapped(transport);
      const [wrapper = 0] = sites.siteWorkers(site.pool);
      const before = await fullSession(wrapper);
      expect(before).toContain(await sites.expectEcho(site.port, { query: 'who' }));

      process.kill(wrapper, 'SIGKILL');
      const [successor = 0] = await sites.fullSite(site.pool, WRAPPER, 1, [wrapper]);
      await waitFor('the end of the session', () => sessionMembers(wrapper).length === 0);
      const after = await fullSession(successor);
      expect(after).toContain(await sites.expectEcho(site.port, { query: 'who' }));
      expect(site.processes()).toHaveLength(1 + MEMBERS.length);
      await sites.expectAnswers(site.port);
    });

    test('the end of the program ends the wrapper and what runs beside it, and a successor serves', async () => {
      const site = await startWrapped(transport);
      const [wrapper = 0] = sites.siteWorkers(site.pool);
      await fullSession(wrapper);

      process.kill(await sites.expectEcho(site.port, { query: 'who' }), 'SIGKILL');
      const [successor = 0] = await sites.fullSite(site.pool, WRAPPER, 1, [wrapper]);
      await waitFor('the end of the session', () => sessionMembers(wrapper).length === 0);
      await fullSession(successor);
      await sites.expectAnswers(site.port);
    });

    test('stop leaves nothing of it', async () => {
      const site = await startWrapped(transport);
      for (const wrapper of sites.siteWorkers(site.pool)) await fullSession(wrapper);
      process.kill(site.pool.pid, 'SIGTERM');
      await sites.expectSiteEnded(site);
    });
  },
);

function startWrapped(transport: 'TCP' | 'a Unix socket'): Promise<sites.Site> {
  return sites.startSite(sites.libfcgiProgram, transport, {
    commandLine: (program, dir) => {
      const wrapper = join(dir, WRAPPER);
      copyFileSync(fixture(WRAPPER), wrapper);
      return [wrapper, program];
    },
  });
}

/** Waits until the wrapper and both children are there, each in its own program. */
function fullSession(worker: number): Promise<number[]> {
  return waitFor('the wrapper and its children', () => {
    const members = sessionMembers(worker);
    const names = new Set(members.map((pid) => readStat(pid)?.comm));
    return members.length === MEMBERS.length && MEMBERS.every((name) => names.has(name)) && members;
  });
}
