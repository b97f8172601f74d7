// --request-timeout behind nginx, with the real programs: who hangs is ended, nobody else loses a request, and neither
// saturation nor kept connections are taken for it (docs/stuck-requests.md).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test, type TestContext } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const rows: web.LedgerRow[] = [];
const strict = ['--request-timeout', '2s'];

afterAll(() => {
  if (rows.length > 0) console.log(web.drawLedgers(rows));
});

type Event = Record<string, unknown> & { event: string };

function eventsOf({ eventLog }: sites.Site, ...names: readonly string[]): Event[] {
  const lines = readFileSync(eventLog, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Event).filter(({ event }) => names.includes(event));
}

function start(site: sites.Site, what: string, options: web.LoadOptions): web.Load {
  const load = web.startLoad(site.port, { errorLog: site.nginxLog, mostMs: 50_000, ...options });
  machine.atEnd(async () => void (await load.stop()));
  rows.push({ what, reloads: 0, ledger: load.ledger });
  return load;
}

async function expectNothingLost(load: web.Load): Promise<void> {
  const { sent, counts, lost } = await load.stop();
  expect(lost).toEqual([]);
  expect(counts).toEqual({ ...web.emptyLedger().counts, answered: sent });
}

function need(context: TestContext, application: sites.Application): void {
  context.skip(application.missing !== undefined, application.missing);
}

const byName = (name: string): sites.Application => {
  const found = sites.applications.find((application) => application.name === name);
  if (!found) throw new Error(name);
  return found;
};
const php = byName('php-cgi');
const fcgiwrap = byName('fcgiwrap');
const simple = [php, fcgiwrap, byName('libfcgi-echo'), byName('perl-echo.pl'), byName('plain-echo')];

test.for(simple)(
  '$name that hangs over TCP or a Unix socket is ended, and nobody else notices',
  { timeout: 60_000 },
  async (application, context) => {
    need(context, application);
    const over = (transport: web.Transport): Promise<void> => expectStuckEnded(application, transport);
    await web.sideBySide(web.transports, String, over);
  },
);

async function expectStuckEnded(application: sites.Application, transport: web.Transport): Promise<void> {
  const site = await sites.startSite(application, transport, { workers: 3, options: () => strict });
  const load = start(site, `${application.name} over ${transport}, one hangs`, { clients: 2, workMs: 5 });
  const query = application === php ? 'loop' : 'sleep=600000';
  expect((await web.send(site.port, { query })).status).toBe(502);
  expect(eventsOf(site, 'request-slow').length).toBe(1);
  expect(eventsOf(site, 'request-stuck')).toMatchObject([{ outcome: 'killed' }]);
  expect(await waitForEnds(site)).toMatchObject([{ class: 'stuck', delayMs: 0 }]);
  await expectNothingLost(load);
  await sites.fullSite(site.pool, application.name, 3);
}

const kept = [
  ...sites.applications.map((application) => ({ application, transport: 'a Unix socket' as const })),
  ...['php-cgi', 'node-responder.mjs', 'go-echo'].map((name) => ({
    application: byName(name),
    transport: 'TCP' as const,
  })),
].map((one) => ({ ...one, name: `${one.application.name} over ${one.transport}` }));
type Kept = (typeof kept)[number];

const groups = web.inGroups(kept, 3).map((group) => ({
  group,
  names: group.map(({ name }) => name).join(', '),
}));

test.for(groups)(
  'connections that are kept and never quiet are not stuck: $names',
  { timeout: 60_000 },
  async ({ group }, context) => {
    for (const { application } of group) need(context, application);
    await web.sideBySide(group, ({ name }) => name, expectKeptNotStuck);
  },
);

async function expectKeptNotStuck({ application, transport, name }: Kept): Promise<void> {
  const options = (): readonly string[] => strict;
  const connections = { keptConnections: 4, keepsAsShipped: true };
  const site = await sites.startSite(application, transport, { workers: 4, ...connections, options });
  const load = start(site, `${name}, kept`, { clients: 4, workMs: 20, hasPosts: false });
  await expectNobodyStuck(site);
  await expectNothingLost(load);
}

test('a pool saturated by 16 clients is not stuck', { timeout: 60_000 }, async (context) => {
  const saturated = [php, byName('plain-echo')];
  for (const application of saturated) need(context, application);
  await web.sideBySide(saturated, ({ name }) => name, expectSaturatedNotStuck);
});

async function expectSaturatedNotStuck(application: sites.Application): Promise<void> {
  const site = await sites.startSite(application, 'a Unix socket', { workers: 2, options: () => strict });
  const load = start(site, `${application.name}, saturated`, { clients: 16, workMs: 300 });
  await expectNobodyStuck(site);
  await expectNothingLost(load);
  expect(load.ledger.slowestMs).toBeGreaterThan(2000);
}

describe('of a worker of several processes', { timeout: 60_000 }, () => {
  test('php-cgi -C 4: one child ends, the others lose nothing, and php-cgi starts another one', async (context) => {
    need(context, php);
    const site = await sites.startSite(php, 'a Unix socket', { options: () => [...strict, '-C', '4'] });
    const [worker = 0] = sites.siteWorkers(site.pool);
    const load = start(site, 'php-cgi -C 4, one child hangs', { clients: 3, workMs: 5 });
    expect((await web.send(site.port, { query: 'loop' })).status).toBe(502);
    const [stuck] = eventsOf(site, 'request-stuck');
    expect(stuck).toMatchObject({ workerPid: worker });
    expect(stuck?.['pids']).not.toContain(worker);
    await machine.waitFor(
      'four children',
      () => machine.childrenOf(worker).filter((pid) => machine.isAlive(pid)).length === 4,
    );
    await expectNothingLost(load);
    expect(eventsOf(site, 'worker-ended', 'worker-replaced')).toEqual([]);
  });

  test('fcgiwrap -c 3, which starts no other one: it is replaced without a loss', async (context) => {
    need(context, fcgiwrap);
    const site = await sites.startSite(fcgiwrap, 'a Unix socket', {
      options: () => strict,
      commandLine: (program) => [program, '-c', '3'],
    });
    const load = start(site, 'fcgiwrap -c 3, one hangs', { clients: 2, workMs: 5, hasPosts: false });
    expect((await web.send(site.port, { query: 'sleep=600000' })).status).toBe(502);
    const isReplaced = (): boolean => eventsOf(site, 'worker-replaced').length === 1;
    await machine.waitFor('its replacement', isReplaced, { timeoutMs: 20_000 });
    await expectNothingLost(load);
    expect(eventsOf(site, 'worker-replaced')).toMatchObject([{ guard: 'request-timeout' }]);
  });
});

test(
  'a deadlock of a Python program is in its output, by its own dump',
  { timeout: 60_000 },
  async (context) => {
    need(context, sites.deadlockScript);
    let output = '';
    const site = await sites.startSite(sites.deadlockScript, 'a Unix socket', {
      workers: 2,
      options: (dir) => {
        output = join(dir, 'out');
        return [...strict, '--stuck-signal', 'USR1', '--output', output];
      },
    });
    expect((await web.send(site.port, { query: 'deadlock' })).status).toBe(502);
    expect(readFileSync(output, 'utf8')).toMatch(/File ".*deadlock\.py", line \d+ in wait_for_oneself/);
    expect(eventsOf(site, 'request-slow')).toMatchObject([{ doing: [{ call: 'futex' }] }]);
    const [ended] = await waitForEnds(site);
    expect(ended).toMatchObject({ class: 'stuck', signalName: 'SIGKILL' });
    expect(await web.send(site.port, { query: 'ok' })).toMatchObject({ status: 200, body: 'ok\n' });
  },
);

function waitForEnds(site: sites.Site): Promise<Event[]> {
  return machine.waitFor('the end of a worker', () => {
    const all = eventsOf(site, 'worker-ended');
    return all.length > 0 && all;
  });
}

/** For more than twice the timeout. */
async function expectNobodyStuck(site: sites.Site): Promise<void> {
  // The command may return before the log has it.
  const upMs = (): number => Date.parse(eventsOf(site, 'pool-up')[0]?.['time'] as string);
  await machine.waitFor('many looks', () => Date.now() - upMs() > 5000, { timeoutMs: 20_000 });
  expect(eventsOf(site, 'request-slow', 'request-stuck', 'worker-ended', 'warning')).toEqual([]);
}
