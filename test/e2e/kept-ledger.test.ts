// The proof for connections that nginx keeps open, as it does by itself: reloads under load lose no request, and no
// worker of them takes until its deadline (docs/internals/kept-connections.md).
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { atEnd } from '../helpers/machine/index.ts';
import { reload } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const WORKERS = 3;
const RELOADS = 8;
/** At the deadline each worker would take 9 s. */
const MOST_MS = 9000;
const rows: web.LedgerRow[] = [];

afterAll(() => {
  if (rows.length > 0) console.log(web.drawLedgers(rows));
});

const programs = [sites.plainProgram, sites.libfcgiProgram, sites.phpCgi];

describe.for(programs)('$name behind fastcgi_keep_conn', { timeout: 60_000 }, (application) => {
  beforeEach(({ skip }) => skip(application.missing !== undefined, application.missing));

  test.for(web.transports)(`${RELOADS} reloads over %s lose no request`, async (transport) => {
    const site = await sites.startSite(application, transport, {
      workers: WORKERS,
      keptConnections: WORKERS,
      keepsAsShipped: true,
      options: () => ['--settle', '50ms'],
    });
    const limits = { mostMs: 50_000, errorLog: site.nginxLog, clients: WORKERS - 1, workMs: 5 };
    const load = web.startLoad(site.port, limits);
    atEnd(async () => void (await load.stop()));
    const row = { what: `${application.name} over ${transport}, kept`, reloads: 0, ledger: load.ledger };
    rows.push(row);
    for (; row.reloads < RELOADS; row.reloads += 1) {
      const beganMs = performance.now();
      expect(await reload(site)).toMatchObject({ result: 'reloaded' });
      expect(performance.now() - beganMs).toBeLessThan(MOST_MS);
    }
    const { sent, counts, lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(counts).toEqual({ ...web.emptyLedger().counts, answered: sent });
  });
});
