// The proof of `--max-memory`: real programs that leak, behind nginx and under load, stay under the limit, one of them is
// replaced at a time, and no request is lost (docs/guards.md).
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import * as build from '../helpers/build/index.ts';
import { atEnd, findCommand, missing, waitFor, watchMemory } from '../helpers/machine/index.ts';
import { events, type LoggedEvent } from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as web from '../helpers/web/index.ts';

const MB = 1024 ** 2;
const WORKERS = 3;
const LIMIT_MB = 64;
const REPLACEMENTS = 4;
const rows: web.LedgerRow[] = [];

afterAll(() => {
  if (rows.length > 0) console.log(web.drawLedgers(rows));
});

const programs = [sites.plainProgram, sites.libfcgiProgram, sites.phpCgi];

test.for(programs)(
  '$name that leaks, over TCP or a Unix socket, is replaced before it has much more than --max-memory, and no request is lost',
  { timeout: 90_000 },
  async (application, { skip }) => {
    skip(application.missing !== undefined, application.missing);
    await web.sideBySide(web.transports, String, (transport) => expectLeakGuarded(application, transport));
  },
);

async function expectLeakGuarded(application: sites.Application, transport: web.Transport): Promise<void> {
  const site = await startLeaking(application, transport);
  const memory = watchMemory(() => sites.siteWorkers(site.pool));
  atEnd(async () => void (await memory.stop()));
  const limits = {
    mostMs: 80_000,
    mostRequests: 200_000,
    errorLog: site.nginxLog,
    clients: 4,
    workMs: 5,
  };
  const load = web.startLoad(site.port, limits);
  atEnd(async () => void (await load.stop()));
  const row = { what: `${application.name} over ${transport}, leaking`, reloads: 0, ledger: load.ledger };
  rows.push(row);
  const replaced = await replacements(site);
  row.reloads = replaced.length;
  const { sent, counts, lost } = await load.stop();
  const record = await memory.stop();
  expect(lost).toEqual([]);
  expect(counts).toEqual({ ...web.emptyLedger().counts, answered: sent });
  for (const event of replaced)
    expect(event).toMatchObject({ guard: 'max-memory', generation: 1, formerPid: expect.any(Number) });
  // One look, the start of the new worker, and the end of the old one's request.
  expect(record.mostBytes).toBeLessThan(LIMIT_MB * MB + 3 * record.mostGrowthBytes);
  expect(record.mostBytes).toBeGreaterThan(LIMIT_MB * MB);
  expect(record.mostSessions).toBeLessThanOrEqual(WORKERS + 1);
}

describe('mapserv that leaks', { timeout: 90_000 }, () => {
  const why = missing({ commands: ['nginx', 'gcc', 'mapserv'] });
  beforeEach(({ skip }) => skip(why !== undefined, why));

  test('is replaced before it has much more than --max-memory, and every request has its tile', async () => {
    const site = await startLeaking(mapserv, 'a Unix socket');
    const memory = watchMemory(() => sites.siteWorkers(site.pool));
    atEnd(async () => void (await memory.stop()));
    const tiles = startTiles(site);
    atEnd(async () => void (await tiles.stop()));
    await replacements(site);
    const { answered, lost } = await tiles.stop();
    const record = await memory.stop();
    expect(lost).toEqual([]);
    expect(answered).toBeGreaterThan(0);
    expect(record.mostBytes).toBeLessThan(LIMIT_MB * MB + 3 * record.mostGrowthBytes);
    expect(record.mostSessions).toBeLessThanOrEqual(WORKERS + 1);
  });
});

const mapserv: sites.Application = {
  name: 'mapserv',
  missing: undefined,
  install(dir) {
    const map = join(dir, 'box.map');
    const configuration = join(dir, 'mapserver.conf');
    writeFileSync(configuration, `CONFIG\n  ENV\n    MS_MAP_PATTERN "^${map}$"\n  END\nEND\n`);
    writeFileSync(map, boxMap);
    const env = { MAPSERVER_CONFIG_FILE: configuration };
    return { program: findCommand('mapserv') ?? 'mapserv', script: map, env };
  },
};

const boxMap = `MAP
  NAME "box"
  SIZE 64 64
  EXTENT 0 0 1 1
  IMAGETYPE PNG
  LAYER
    NAME "box"
    TYPE POLYGON
    STATUS DEFAULT
    FEATURE
      POINTS 0.1 0.1 0.1 0.9 0.9 0.9 0.9 0.1 0.1 0.1 END
    END
    CLASS
      STYLE
        COLOR 255 0 0
      END
    END
  END
END
`;

/** Four clients that ask for the same tile until they are stopped. */
function startTiles({ port, script }: sites.Site): {
  stop(): Promise<{ answered: number; lost: string[] }>;
} {
  const tally = { answered: 0, lost: [] as string[] };
  let isStopped = false;
  const client = async (): Promise<void> => {
    while (!isStopped) {
      const { status, body } = await web.send(port, { query: `map=${script}&mode=map` });
      if (status === 200 && body.startsWith('\uFFFDPNG')) tally.answered += 1;
      else tally.lost.push(`${status}: ${body.slice(0, 200)}`);
    }
  };
  const all = Promise.all([client(), client(), client(), client()]);
  return {
    async stop() {
      isStopped = true;
      await all;
      return tally;
    },
  };
}

/** Waits for them; what the log says of each. */
function replacements(site: sites.Site): Promise<LoggedEvent[]> {
  return waitFor(
    `${REPLACEMENTS} replacements`,
    () => {
      const found = events({ log: site.eventLog }, 'worker-replaced');
      return found.length >= REPLACEMENTS && found;
    },
    { timeoutMs: 60_000 },
  );
}

/** Several MB a second for each worker. */
function startLeaking(application: sites.Application, transport: web.Transport): Promise<sites.Site> {
  return sites.startSite(application, transport, {
    workers: WORKERS,
    options: (dir) => {
      const library = join(dir, 'leak.so');
      copyFileSync(
        build.compileC(build.fixture('leak.c'), { flags: ['-shared', '-fPIC'], libs: ['dl'] }),
        library,
      );
      chmodSync(library, 0o755);
      // php-cgi would recycle itself before it has leaked enough.
      const variables = [`LD_PRELOAD=${library}`, 'LEAK_PER_REQUEST=128', 'PHP_FCGI_MAX_REQUESTS=1000000'];
      return ['--max-memory', `${LIMIT_MB}M`, ...variables.flatMap((one) => ['--env', one])];
    },
  });
}
