// The proof of the move from 1.6: a ledger of requests through real nginx while a pool that lighttpd's command has started
// is taken over by ours, for each kind of application; all of the old workers end, and no request is lost.
import { afterAll, expect, test } from 'vitest';
import { atEnd, isAlive, missing, sessionMembers, waitFor } from '../helpers/machine/index.ts';
import { referencePath } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const WORKERS = 3;
/** Answers that are waited for before and after. */
const ANSWERS = 150;
const rows: web.LedgerRow[] = [];

afterAll(() => {
  if (rows.length > 0) console.log(web.drawLedgers(rows));
});

interface Case {
  readonly what: string;
  readonly application: sites.Application;
  readonly transport: web.Transport;
  readonly wanted?: sites.SiteOptions;
  /** A POST on a kept connection of php-cgi's children may be lost, as in a reload (docs/internals/kept-connections.md). */
  readonly hasPosts?: boolean;
}

/** By itself php-cgi ends after 500 requests, and 1.6 starts no other. */
const env = { PHP_FCGI_MAX_REQUESTS: '0' };
const kept = { keptConnections: WORKERS, keepsAsShipped: true, env };
const children = { workers: 1, env: { ...env, PHP_FCGI_CHILDREN: String(WORKERS) } };
const [tcp, unix] = web.transports;

const cases: Case[] = [
  { what: 'php-cgi', application: sites.phpCgi, transport: tcp, wanted: { env } },
  { what: 'php-cgi, kept', application: sites.phpCgi, transport: unix, wanted: kept },
  { what: 'php-cgi with children', application: sites.phpCgi, transport: unix, wanted: children },
  {
    what: 'php-cgi with children, kept',
    application: sites.phpCgi,
    transport: tcp,
    wanted: { ...kept, ...children },
    hasPosts: false,
  },
  { what: 'libfcgi', application: sites.libfcgiProgram, transport: unix },
  { what: 'libfcgi, kept', application: sites.libfcgiProgram, transport: tcp, wanted: kept },
  { what: 'fcgiwrap', application: sites.fcgiwrap, transport: tcp },
  { what: 'no signal handling', application: sites.plainProgram, transport: unix },
];

test.for(cases)(
  '$what over $transport: all workers of 1.6 end, and no request is lost',
  async ({ what, application, transport, wanted, hasPosts = true }, ctx) => {
    const reason = application.missing ?? missing({ commands: [referencePath] });
    ctx.skip(reason !== undefined, reason);
    const site = await sites.startSite(application, transport, {
      workers: WORKERS,
      isBegunBy16: true,
      options: () => ['--replace', '--settle', '50ms', '-M', '0666'],
      ...wanted,
    });
    // A worker has time for nobody but the connection that is kept: nobody may have to wait for one.
    const clients = wanted?.keptConnections === undefined ? WORKERS + 1 : WORKERS - 1;
    const load = web.startLoad(site.port, { errorLog: site.nginxLog, clients, workMs: 2, hasPosts });
    atEnd(async () => void (await load.stop()));
    rows.push({ what: `${what} over ${transport}`, reloads: 1, ledger: load.ledger });
    await waitFor('answers of the old workers', () => load.ended() >= ANSWERS);
    const old = site.pool.pids.flatMap((pid) => sessionMembers(pid));
    expect(old.length).toBeGreaterThanOrEqual(WORKERS);
    const pool = await site.startAgain();
    await waitFor('the end of the old workers', () => !old.some((pid) => isAlive(pid)));
    const seen = load.ended();
    await waitFor('answers of the new ones', () => load.ended() >= seen + ANSWERS);
    const { sent, counts, lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(counts).toEqual({ ...web.emptyLedger().counts, answered: sent });
    await pool.stop();
    await sites.expectSiteEnded(site);
  },
);
