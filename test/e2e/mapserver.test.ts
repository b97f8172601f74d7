// Types in docs/mapserver.md under a real systemd as PID 1, and holds the pool against the five pieces that it replaces:
// a .socket, multiwatch, a script of dummy requests, a timer that stops the service. The same map, the same tiles.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as systemd from '../helpers/systemd/index.ts';
import * as web from '../helpers/web/index.ts';

const needed = ['nginx', 'multiwatch', 'cgi-fcgi', '/usr/lib/cgi-bin/mapserv'];
const page = readFileSync(join(import.meta.dirname, '../../docs/mapserver.md'), 'utf8');
const units = { theirs: 'mapserv-fcgi.service', ours: 'spawn-fcgi@imagery.service' } as const;
type Side = keyof typeof units;
const sockets: Record<Side, string> = {
  theirs: '/run/mapserver-fastcgi/layer.socket',
  ours: '/run/spawn-fcgi/imagery.socket',
};

let host: systemd.SystemdMachine;
const rows: systemd.OperationRow[] = [];

beforeAll(async () => {
  if (systemd.whyNoSystemd(...needed) !== undefined) return;
  host = await systemd.bootSystemd();
  await systemd.installUnits(host);
  await followPage();
  await buildTheirs();
  await startNginx();
}, 120_000);
beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));
afterAll(() => {
  if (rows.length > 0) console.log(systemd.drawOperations(rows));
});

/**
 * What the page says, in its order: a fence with a path is a file, one with "sh" is typed in. A reload watches its last
 * worker for less than the usual five seconds.
 */
async function followPage(): Promise<void> {
  for (const [, language, path, text = ''] of page.matchAll(/^```(\w+)(?: (\S+))?\n([^]*?)^```$/gm)) {
    if (path !== undefined) host.write(path, text.replace('OPTIONS=-F 8', '$& --settle 500ms'));
    else if (language === 'sh') await host.ok(text);
  }
}

/** As a large map site has it, without its sandbox. */
async function buildTheirs(): Promise<void> {
  host.write(
    '/etc/systemd/system/mapserv-fcgi.socket',
    `[Socket]\nListenStream=${sockets.theirs}\nSocketUser=www-data\n`,
  );
  host.write(
    '/etc/systemd/system/mapserv-fcgi.service',
    `[Service]
Type=simple
User=imagery
Group=imagery
StandardInput=socket
Environment=MAPSERVER_CONFIG_FILE=/srv/imagery/mapserver.conf GDAL_NUM_THREADS=2
ExecStart=/usr/bin/multiwatch -f 8 --signal=TERM -- /usr/lib/cgi-bin/mapserv
ExecStop=/usr/local/bin/wake-workers ${sockets.theirs} 8
TimeoutStopSec=60
`,
  );
  host.write('/usr/local/bin/wake-workers', wakeWorkers, 0o755);
  await host.ok('systemctl daemon-reload && systemctl start mapserv-fcgi.socket');
}

const wakeWorkers = `#!/bin/sh
kill -TERM "$MAINPID"
for request in $(seq "$2"); do
  env -i REQUEST_METHOD=GET QUERY_STRING=none=1 SCRIPT_NAME=/ SERVER_PROTOCOL=HTTP/1.1 GATEWAY_INTERFACE=CGI/1.1 \\
    timeout 1 /usr/bin/cgi-fcgi -bind -connect "$1" >/dev/null 2>&1
done
exit 0
`;

/** The page's location, for each side. */
async function startNginx(): Promise<void> {
  const location = /^```nginx\n([^]*?)^```$/m.exec(page)?.[1] ?? '';
  const servers = (Object.keys(sockets) as Side[]).map(
    (side) => `server {
      listen unix:${webSocket(side)};
      ${location.replace(sockets.ours, sockets[side])}
    }`,
  );
  host.write(
    '/srv/web/nginx.conf',
    `daemon off; user www-data; worker_processes 1; pid nginx.pid; error_log error.log;
    events { worker_connections 256; }
    http { access_log off; keepalive_requests 1000000; fastcgi_next_upstream off; include /srv/web/types;
    ${servers.join('\n')} }`,
  );
  host.write('/srv/web/types', '');
  await host.ok('cp /etc/nginx/fastcgi_params /srv/web/');
  host.write(
    '/etc/systemd/system/nginx.service',
    '[Service]\nType=exec\nExecStart=/usr/sbin/nginx -p /srv/web -c nginx.conf -e error.log\n',
  );
  await host.ok('systemctl daemon-reload && systemctl start nginx');
  await machine.waitFor('nginx', async () => (await host.run(`test -S ${webSocket('ours')}`)).status === 0);
}

function webSocket(side: Side): string {
  return `/srv/web/${side}.sock`;
}

/** Tiles of all zoom levels up to 5, one after the other, by four clients that are never idle. */
function askForTiles(side: Side): { ledger: web.Ledger; stop(): Promise<web.Ledger> } {
  const ledger = web.emptyLedger();
  const deadline = performance.now() + 50_000;
  let isOver = false;
  const client = async (): Promise<void> => {
    while (!isOver && performance.now() < deadline) await askForTile(side, ledger);
  };
  const clients = Promise.all(Array.from({ length: 4 }, client));
  return {
    ledger,
    async stop() {
      isOver = true;
      await clients;
      return ledger;
    },
  };
}

async function askForTile(side: Side, ledger: web.Ledger): Promise<void> {
  const number = ledger.sent++;
  const z = number % 6;
  const [x, y] = [number % 2 ** z, (number >> 3) % 2 ** z];
  const begin = performance.now();
  const path = `/layer/square/${z}/${x}/${y}.png`;
  const reply = await web.send(join(host.root, webSocket(side)), { path, query: '' }, { timeoutMs: 20_000 });
  ledger.slowestMs = Math.max(ledger.slowestMs, performance.now() - begin);
  const isTile = reply.status === 200 && reply.body.slice(1, 4) === 'PNG' && reply.body.includes('IEND');
  if (isTile) ledger.counts.answered += 1;
  else ledger.lost.push(`${path}: ${reply.status} ${reply.failure ?? ''} ${reply.body.slice(0, 200)}`);
}

/** Under load; resolves with the row that it has written. */
async function during(side: Side, operation: string, command: string): Promise<systemd.OperationRow> {
  const load = askForTiles(side);
  await machine.waitFor('tiles', () => load.ledger.counts.answered > 50, { timeoutMs: 30_000 });
  load.ledger.slowestMs = 0;
  const begin = performance.now();
  await host.ok(command, 90_000);
  const tookMs = performance.now() - begin;
  const seen = load.ledger.counts.answered;
  await machine.waitFor('more tiles', () => load.ledger.counts.answered > seen + 50, { timeoutMs: 30_000 });
  const row = { unit: side, operation, ledger: await load.stop(), tookMs };
  rows.push(row);
  return row;
}

test('every tile is answered while all workers are renewed, which theirs does by a stop', async () => {
  await during('theirs', 'renewal', `systemctl stop ${units.theirs}`);
  const ours = await during('ours', 'renewal', 'systemctl start imagery-renew.service');
  expect(ours.ledger.lost).toEqual([]);
});

test('a stop under load loses nothing: who comes waits for the next start', async () => {
  await during('theirs', 'stop', `systemctl stop ${units.theirs}`);
  const { ledger } = await during('ours', 'stop', `systemctl stop ${units.ours}`);
  expect(ledger.lost).toEqual([]);
});

test('an idle pool stops at once, without dummy requests', async () => {
  for (const side of ['theirs', 'ours'] as const) {
    const ledger = web.emptyLedger();
    await askForTile(side, ledger);
    const begin = performance.now();
    await host.ok(`systemctl stop ${units[side]}`, 90_000);
    rows.push({ unit: side, operation: 'stop, idle', ledger, tookMs: performance.now() - begin });
    expect(ledger.lost).toEqual([]);
  }
  // Of theirs there may be some again: a dummy request that finds nobody activates the service.
  const left = await host.ok(`find /sys/fs/cgroup -path '*/${units.ours}/cgroup.procs' -exec cat {} +`);
  expect(left).toBe('');
});

test('a killed supervisor costs no tile', async () => {
  const killing = (unit: string): string => `kill -9 $(systemctl show --value -p MainPID ${unit})`;
  await during('theirs', 'kill -9', killing(units.theirs));
  const { ledger } = await during('ours', 'kill -9', killing(units.ours));
  expect(ledger.lost).toEqual([]);
});
