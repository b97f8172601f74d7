// The proof of the rolling reload: a ledger of requests through real nginx, for each kind of application over TCP and a
// Unix socket, while the pool is reloaded again and again, also with releases that fail.
import { chmodSync, constants, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { atEnd, readOpenFiles, readProcess, sessionMembers, waitFor } from '../helpers/machine/index.ts';
import { makeReleases, type Releases, reload } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const WORKERS = 4;
/** On each of the two sockets, so that each application sees 50. */
const RELOADS = 25;
/** Connections that are kept end when nginx ends them, so that each takes longer. */
const RELOADS_KEPT = 5;
/** Long enough to notice a worker that ends after all, short enough for 400 reloads. */
const SETTLE = ['--settle', '50ms'];
const rows: web.LedgerRow[] = [];

afterAll(() => {
  if (rows.length > 0) console.log(web.drawLedgers(rows));
});

describe.for(sites.applications)('$name', { timeout: 240_000 }, (application) => {
  beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

  test(`${RELOADS} reloads under load over TCP, and as many over a Unix socket, lose no request`, async () => {
    await onBoth((transport) => reloadAgainAndAgain(application, transport));
  });

  test('a request that comes after the reload has begun, on a connection accepted before, is answered', async () => {
    await onBoth((transport) => reloadBeforeRequest(application, transport));
  });

  test('a request of 2 s that is in flight when a reload begins is answered by the old worker', async () => {
    await onBoth((transport) => reloadDuringRequest(application, transport));
  });
});

describe(`${sites.libfcgiProgram.name} behind fastcgi_keep_conn`, { timeout: 60_000 }, () => {
  beforeEach(({ skip }) => skip(sites.libfcgiProgram.missing !== undefined, sites.libfcgiProgram.missing));

  test(`${RELOADS_KEPT} reloads over TCP, and as many over a Unix socket, lose no request`, async () => {
    const options = { reloads: RELOADS_KEPT, keptConnections: WORKERS };
    await onBoth((transport) => reloadAgainAndAgain(sites.libfcgiProgram, transport, options));
  });
});

describe(`${sites.nodeScript.name} that takes its time to start`, { timeout: 30_000 }, () => {
  beforeEach(({ skip }) => skip(sites.nodeScript.missing !== undefined, sites.nodeScript.missing));

  // The pool is up by then, but the socket that all workers share is not yet non-blocking.
  const startLate = async (transport: web.Transport): Promise<sites.Site> => {
    const site = await sites.startSite(sites.nodeScript, transport, {
      workers: WORKERS,
      options: () => SETTLE,
      commandLine: (program, dir) => {
        const late = join(dir, 'late.sh');
        writeFileSync(late, `#!/bin/sh\nsleep 0.3\nexec ${program}\n`, { mode: 0o755 });
        return [late];
      },
    });
    await sites.expectAnswers(site.port);
    return site;
  };

  test.for(web.transports)('is reloaded over %s like any other', async (transport) => {
    const site = await startLate(transport);
    const load = loadOn(site, sites.nodeScript);
    for (const number of [1, 2]) {
      expect(await reload(site), `reload ${number}`).toMatchObject({ result: 'reloaded' });
      expect(sites.siteWorkers(site.pool).map(isNonBlocking)).toEqual(Array(WORKERS).fill(true));
    }
    expectNothingLost(await load.stop(), transport);
  });

  test.for(web.transports)(
    'over %s one that is killed leaves the socket as the others need it',
    async (transport) => {
      const site = await startLate(transport);
      const [victim = 0, ...others] = sites.siteWorkers(site.pool);
      process.kill(victim, 'SIGKILL');
      // It sets the flag itself when it listens, 0.3 s later.
      await waitFor('a successor', () =>
        sites.siteWorkers(site.pool).some((pid) => pid !== victim && !others.includes(pid)),
      );
      expect(others.map(isNonBlocking)).toEqual(others.map(() => true));
    },
  );
});

interface BadRelease {
  what: string;
  /** Stands in for the program, the last one as it is. */
  script: string;
  mode?: number;
  result: 'rolled-back' | 'timed-out';
}

const badReleases: BadRelease[] = [
  { what: 'may not be executed', script: '', mode: 0o644, result: 'rolled-back' },
  { what: 'is no program', script: 'not a program\n', result: 'rolled-back' },
  { what: 'has no interpreter', script: '#!/nowhere/interpreter\n', result: 'rolled-back' },
  { what: 'exits at once', script: '#!/bin/sh\nexit 3\n', result: 'rolled-back' },
  { what: 'exits at once with 0', script: '#!/bin/sh\n', result: 'rolled-back' },
  { what: 'dies after 0.7 s at work', script: dieAfter('700'), result: 'rolled-back' },
  {
    what: 'dies after 0.7 s of preparations',
    script: '#!/bin/sh\nsleep 0.7\nexit 1\n',
    result: 'rolled-back',
  },
  { what: 'never waits for connections', script: '#!/bin/sh\nexec sleep 60\n', result: 'timed-out' },
];

function dieAfter(ms: string): string {
  return `#!/bin/sh\nexec "\${0%/*}/original" die-after=${ms}\n`;
}

describe.for([sites.plainProgram, sites.libfcgiProgram])('$name', { timeout: 30_000 }, (application) => {
  beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));
  // Only the plain program dies when told to.
  const releases = badReleases.filter(
    ({ script }) => application === sites.plainProgram || !script.includes('original'),
  );

  test.for(releases)(
    'a release that $what leaves the old one in service, and no request is lost',
    async (bad) => {
      await onBoth((transport) => reloadTo(bad, application, transport));
    },
  );
});

describe.for([sites.plainProgram, sites.perlScript])(
  '$name, deployed by a link',
  { timeout: 30_000 },
  (application) => {
    beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

    test.for(web.transports)('over %s a killed worker comes back in its own release', async (transport) => {
      const { site, releases } = await startReleases(application, transport);
      releases.make('2');
      releases.make('3');
      releases.switchTo('2');
      expect(await killOneOf(site)).toEqual(Array(WORKERS).fill('1'));

      await reload(site, () => releases.switchTo('3'));
      expect(sites.siteWorkers(site.pool).map(releaseOf)).toEqual(Array(WORKERS).fill('2'));
      expect(await killOneOf(site)).toEqual(Array(WORKERS).fill('2'));

      await reload(site);
      expect(sites.siteWorkers(site.pool).map(releaseOf)).toEqual(Array(WORKERS).fill('3'));
      await sites.expectAnswers(site.port);
    });

    test.for(web.transports)('over %s -d names the release of the whole generation', async (transport) => {
      const { site, releases } = await startReleases(application, transport, { inRelease: true });
      releases.make('2');
      releases.make('3');
      releases.switchTo('2');
      await reload(site, () => releases.switchTo('3'));
      await killOneOf(site);
      const directories = sites.siteWorkers(site.pool).map((pid) => readProcess(pid)?.cwd);
      expect(directories).toEqual(Array(WORKERS).fill(dirname(releases.programOf('2'))));
      await sites.expectAnswers(site.port);
    });
  },
);

/** Side by side, which takes little more time than one of them; both have ended when this does. */
async function onBoth(run: (transport: web.Transport) => Promise<void>): Promise<void> {
  const ends = await Promise.allSettled(web.transports.map((transport) => run(transport)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

interface Place {
  site: sites.Site;
  releases: Releases;
}

/** A pool whose program is reached through the link "current". */
async function startReleases(
  application: sites.Application,
  transport: web.Transport,
  { inRelease = false, ...options }: sites.SiteOptions & { inRelease?: boolean } = {},
): Promise<Place> {
  let releases: Releases | undefined;
  const site = await sites.startSite(application, transport, {
    workers: WORKERS,
    ...options,
    options: (dir) => [
      ...SETTLE,
      ...(inRelease ? ['-d', join(dir, 'current')] : []),
      ...(options.options?.(dir) ?? []),
    ],
    commandLine: (program, dir) => {
      releases = makeReleases(dir, program);
      return [releases.program];
    },
  });
  if (!releases) throw new Error('the site asked for no command line');
  return { site, releases };
}

/** Each reload brings a new release; the link is switched to the one after it while the reload is going on. */
async function reloadAgainAndAgain(
  application: sites.Application,
  transport: web.Transport,
  { reloads = RELOADS, ...options }: sites.SiteOptions & { reloads?: number } = {},
) {
  const { site, releases } = await startReleases(application, transport, options);
  const load = loadOn(site, application);
  const what = `${application.name} over ${transport}${options.keptConnections === undefined ? '' : ', kept'}`;
  const row = { what, reloads: 0, ledger: load.ledger };
  rows.push(row);
  const workersByRelease = new Map([['1', sites.siteWorkers(site.pool)]]);
  releases.make('2');
  releases.switchTo('2');
  for (let number = 2; row.reloads < reloads; number += 1) {
    const before = sites.siteWorkers(site.pool);
    const next = String(number + 1);
    releases.make(next);
    expect(await reload(site, () => releases.switchTo(next)), what).toMatchObject({ result: 'reloaded' });
    expectAllNew(sites.siteWorkers(site.pool), before, what);
    workersByRelease.set(String(number), sites.siteWorkers(site.pool));
    row.reloads += 1;
  }
  await load.stop();
  expectNothingLost(load.ledger, what);
  expectWhoAnswered(load.ledger, workersByRelease, what);
}

/** Ends with the test at the latest. */
function loadOn(site: sites.Site, { name }: sites.Application, further: web.LoadOptions = {}): web.Load {
  const limits = { mostMs: 200_000, mostRequests: 100_000, errorLog: site.nginxLog };
  // Half of the plain workers are busy; and a request to fcgiwrap costs several processes.
  const clients = name === sites.plainProgram.name ? WORKERS / 2 : WORKERS - 1;
  const load = web.startLoad(site.port, {
    ...limits,
    clients,
    workMs: name === 'fcgiwrap' ? 20 : 5,
    ...further,
  });
  atEnd(async () => void (await load.stop()));
  return load;
}

function expectAllNew(workers: readonly number[], before: readonly number[], what: string): void {
  expect(workers, what).toHaveLength(before.length);
  expect(
    workers.filter((pid) => before.includes(pid)),
    `old workers of ${what}`,
  ).toEqual([]);
}

function expectNothingLost({ sent, counts, lost }: web.Ledger, what: string): void {
  expect(lost, `lost requests of ${what}`).toEqual([]);
  expect(counts, what).toEqual({ ...web.emptyLedger().counts, answered: sent });
  expect(sent, `requests of ${what}`).toBeGreaterThan(0);
}

/** Each release was answered for by the workers of its generation and by nobody else. */
function expectWhoAnswered(
  { releases }: web.Ledger,
  workersByRelease: ReadonlyMap<string, readonly number[]>,
  what: string,
): void {
  for (const [release, pids] of releases) {
    const workers = workersByRelease.get(release);
    for (const pid of pids) expect(workers, `release ${release} of ${what}`).toContain(pid);
  }
}

/** In the gap between accept and the request, which is short behind nginx but never nothing. */
async function reloadBeforeRequest(application: sites.Application, transport: web.Transport): Promise<void> {
  const { site } = await startReleases(application, transport, { workers: 1 });
  const what = `${application.name} over ${transport}`;
  const [worker = 0] = sites.siteWorkers(site.pool);
  const { promise: mayBeSent, resolve: sendNow } = Promise.withResolvers<void>();
  const answer = web.fastcgiRequest(addressOf(site), cgiVariables(site), '', { sendAfter: mayBeSent });
  await waitFor('the worker to accept', () => socketsOf(worker) > 1);

  const end = await reload(site, () => void sites.expectAnswers(site.port, 3).then(sendNow));
  expect(end, what).toMatchObject({ result: 'reloaded' });
  expect((await answer).stdout, what).toMatch(new RegExp(`GET late ${worker} 1\\n$`));
}

function addressOf({ socketPath, poolPort = 0 }: sites.Site): web.FastcgiTarget {
  return socketPath === undefined ? { host: '127.0.0.1', port: poolPort } : { socketPath };
}

/** What nginx would send. */
function cgiVariables({ script }: sites.Site): Record<string, string> {
  return {
    REQUEST_METHOD: 'GET',
    REQUEST_URI: '/?late',
    QUERY_STRING: 'late',
    SCRIPT_NAME: '/',
    SCRIPT_FILENAME: script,
    SERVER_NAME: 'localhost',
    SERVER_PORT: '80',
    SERVER_PROTOCOL: 'HTTP/1.1',
    GATEWAY_INTERFACE: 'CGI/1.1',
  };
}

/** Of a worker's whole session; one of them listens. */
function socketsOf(worker: number): number {
  const files = sessionMembers(worker).flatMap(readOpenFiles);
  return new Set(files.map(({ target }) => target).filter((target) => target.startsWith('socket:'))).size;
}

async function reloadDuringRequest(application: sites.Application, transport: web.Transport): Promise<void> {
  const { site } = await startReleases(application, transport);
  const what = `${application.name} over ${transport}`;
  const load = loadOn(site, application, { clients: 1 });
  const before = sites.siteWorkers(site.pool);
  await waitFor('a few requests', () => load.ended() > 10);
  const slow = { query: 'slow&sleep=2000' };
  let isInFlight = true;
  const reply = web.send(site.port, slow).finally(() => (isInFlight = false));
  // The first may have been sent before the slow one, the second was sent, and so accepted, behind it.
  const from = load.ended();
  await waitFor('two others', () => load.ended() >= from + 2);
  expect(isInFlight).toBe(true);

  expect(await reload(site), what).toMatchObject({ result: 'reloaded' });
  const answer = await reply;
  const ledger = await load.stop();
  const worker = web.readEcho(answer, slow)?.pid;
  expect(before, `${what}: ${answer.status} ${answer.body}`).toContain(worker);
  expectAllNew(sites.siteWorkers(site.pool), before, what);
  expectNothingLost(ledger, what);
}

async function reloadTo(
  bad: BadRelease,
  application: sites.Application,
  transport: web.Transport,
): Promise<void> {
  // Nothing waits for a time that is to come but the release that is never ready: all others end before, however late.
  const readyTimeout = bad.result === 'timed-out' ? '1s' : '20s';
  const { site, releases } = await startReleases(application, transport, {
    options: () => ['--settle', '10s', '--ready-timeout', readyTimeout],
  });
  const load = loadOn(site, application);
  await waitFor('requests before the reload', () => load.ended() > 20);
  releases.make('2', bad.script);
  chmodSync(releases.programOf('2'), bad.mode ?? 0o755);
  releases.switchTo('2');
  const end = await reload(site);
  const from = load.ended();
  await waitFor('requests after the reload', () => load.ended() - from > 20);
  const ledger = await load.stop();

  expect(end, transport).toMatchObject({ result: bad.result });
  expectNothingLost(ledger, transport);
  // One that was about to be replaced may still be ending.
  await waitFor('a full pool', () => sites.siteWorkers(site.pool).length === WORKERS);
  expect(sites.siteWorkers(site.pool).map(releaseOf), transport).toEqual(Array(WORKERS).fill('1'));
}

/** Returns the releases of all workers once there is a successor. */
async function killOneOf(site: sites.Site): Promise<(string | undefined)[]> {
  const [victim = 0, ...others] = sites.siteWorkers(site.pool);
  process.kill(victim, 'SIGKILL');
  return waitFor('a successor', () => {
    const workers = sites.siteWorkers(site.pool);
    const releases = workers.map(releaseOf);
    const isFull = workers.length === WORKERS && !workers.includes(victim) && releases.every(Boolean);
    return isFull && others.every((pid) => workers.includes(pid)) && releases;
  });
}

/** Whether the socket that the worker listens on is. */
function isNonBlocking(worker: number): boolean {
  const flags = readOpenFiles(worker).find(({ fd }) => fd === 0)?.flags ?? 0;
  return (flags & constants.O_NONBLOCK) !== 0;
}

/** By the path that it was executed as; what it was called as is not resolved. */
function releaseOf(pid: number): string | undefined {
  const facts = readProcess(pid);
  const paths = [facts?.exe ?? '', ...(facts?.args ?? [])];
  return /\/releases\/([^/]+)\//.exec(paths.join('\n'))?.[1];
}
