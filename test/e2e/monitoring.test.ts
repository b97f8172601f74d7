// docs/monitoring.md with those who read it: nginx in front of the status socket, Prometheus, node_exporter, cgi-fcgi, systemd,
// and an exporter for php-fpm where there is one.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import * as systemd from '../helpers/systemd/index.ts';
import { send } from '../helpers/web/index.ts';

const docs = join(import.meta.dirname, '../../docs');
const page = fs.readFileSync(join(docs, 'monitoring.md'), 'utf8');

interface Watched extends pools.Place {
  status: string;
  pool: pools.Pool;
}

async function startWatched(options: readonly string[] = []): Promise<Watched> {
  const place = pools.makePlace();
  const status = join(place.runDir, 'app.status');
  const pool = await pools.start(place, ['-F', '3', '--settle', '0', '--status-socket', status, ...options]);
  return { ...place, status, pool };
}

async function startNginx({ dir, status }: Watched): Promise<number> {
  return (await sites.startStatusNginx(dir, status)).port;
}

test('through nginx, as the page has it, everything is there for a browser and curl', async (ctx) => {
  machine.needCommands(ctx, 'nginx');
  const place = await startWatched();
  const port = await startNginx(place);
  const ask = (query: string): Promise<string> =>
    send(port, { path: '/status', query }).then(({ body }) => body);
  expect(JSON.parse(await ask('json&full'))).toMatchObject({ 'total processes': 3, processes: [{}, {}, {}] });
  expect(await ask('')).toMatch(/^pool: {17}app\nprocess manager: {6}static\n/);
  expect(await ask('html&full')).toContain('<td>Idle</td>');
  expect((await send(port, { path: '/ping', query: '' })).body).toBe('pong');
  await place.pool.stop();
});

test('cgi-fcgi reads it as the page says', async (ctx) => {
  machine.needCommands(ctx, 'cgi-fcgi');
  const place = await startWatched();
  const line = /^.* cgi-fcgi .*$/m.exec(page)?.[0].replace('/run/app.status', place.status) ?? 'false';
  const { stdout, status } = await machine.runCommand('sh', ['-c', line]);
  expect([status, /^total processes: {6}3$/m.test(stdout)]).toEqual([0, true]);
  await place.pool.stop();
});

test('Prometheus scrapes it through nginx, as OpenMetrics, and knows the alerts', async (ctx) => {
  machine.needCommands(ctx, 'nginx', 'prometheus');
  const place = await startWatched();
  const port = await startNginx(place);
  const [webPort, dir] = [await machine.freePort(), join(place.dir, 'prometheus')];
  fs.cpSync(join(docs, 'monitoring'), dir, { recursive: true });
  const scrape = sites.monitoringBlock('yaml').replace('www.example.org:80', `127.0.0.1:${port}`);
  fs.writeFileSync(
    join(dir, 'prometheus.yml'),
    `global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nrule_files: [spawn-fcgi.rules.yml]\n${scrape}`,
  );
  const args = [
    `--config.file=${dir}/prometheus.yml`,
    `--storage.tsdb.path=${dir}/data`,
    `--web.listen-address=127.0.0.1:${webPort}`,
  ];
  const prometheus = pools.startForeground(args, {
    command: machine.findCommand('prometheus') ?? '',
    cwd: dir,
  });
  const value = async (query: string): Promise<string | undefined> => {
    const { body, status } = await send(webPort, {
      path: '/api/v1/query',
      query: `query=${encodeURIComponent(query)}`,
    });
    const { data } = (status === 200 ? JSON.parse(body) : {}) as { data?: { result: { value: string[] }[] } };
    return data?.result[0]?.value[1];
  };
  const becomes = (query: string, wanted: string): Promise<true> =>
    machine.waitFor(`${query} to be ${wanted}`, async () => (await value(query)) === wanted, {
      timeoutMs: 20_000,
      intervalMs: 50,
    });
  await becomes('spawn_fcgi_workers{state="idle"}', '3');
  await becomes('up', '1');
  const { body } = await send(webPort, {
    path: '/api/v1/targets/metadata',
    query: 'metric=spawn_fcgi_restarts',
  });
  expect(body).toContain('"type":"counter"');
  process.kill((await pools.fullPool(place.pool, 3))[0] ?? 0, 'SIGKILL');
  await becomes('sum(spawn_fcgi_restarts_total)', '1');
  await pools.ctl(place.stateDir, ['reload', place.socket]);
  await becomes('spawn_fcgi_last_reload_success', '1');
  const rules = (await send(webPort, { path: '/api/v1/rules', query: '' })).body;
  expect(rules.match(/"health":"(?:ok|unknown)"/g)).toHaveLength(5);
  await prometheus.stop();
  await place.pool.stop();
});

test("the alerts fire when they should, by promtool's word", async (ctx) => {
  machine.needCommands(ctx, 'promtool');
  const cwd = join(docs, 'monitoring');
  for (const args of [
    ['check', 'rules', 'spawn-fcgi.rules.yml'],
    ['test', 'rules', 'spawn-fcgi.rules.test.yml'],
  ]) {
    const { status, stdout, stderr } = await machine.runCommand('promtool', args, { cwd });
    expect(status, stdout + stderr).toBe(0);
  }
});

/** What stands in for a php-fpm's exporter is not packaged; where somebody has it, it must read us. */
const exporters = [machine.findCommand('php-fpm_exporter')].filter((path) => path !== undefined);

test.each(exporters)('%s takes it for a php-fpm', async (command) => {
  const place = await startWatched();
  const port = await machine.freePort();
  const uri = `unix://${place.status};/status`;
  const args = ['server', '--web.listen-address', `127.0.0.1:${port}`, '--phpfpm.scrape-uri', uri];
  const exporter = pools.startForeground(args, { command });
  const text = await machine.waitFor('the exporter', async () => {
    const { body } = await send(port, { path: '/metrics', query: '' });
    return body.includes('phpfpm_up') && body;
  });
  for (const line of ['up{', 'total_processes{', 'idle_processes{', 'process_state{'])
    expect(text).toContain(`phpfpm_${line}`);
  const labels = `pool="app",scrape_uri="${uri}"`;
  expect(text).toContain(`phpfpm_up{${labels}} 1\n`);
  expect(text).toContain(`phpfpm_total_processes{${labels}} 3\n`);
  expect(exporter.stderr()).not.toMatch(/Unknown process state|Inconsistent/);
  await exporter.stop();
  await place.pool.stop();
});

describe('the textfile', () => {
  let host: systemd.SystemdMachine;
  const needed = ['gcc', 'prometheus-node-exporter'];
  beforeAll(async () => {
    if (systemd.whyNoSystemd(...needed) !== undefined) return;
    host = await systemd.bootSystemd();
    systemd.placeEcho(host);
    await systemd.installUnits(host);
    for (const name of ['spawn-fcgi-metrics.service', 'spawn-fcgi-metrics.timer'])
      host.write(`/srv/spawn-fcgi/docs/systemd/${name}`, systemd.unitFile(name));
    await host.ok('mkdir -p /var/lib/prometheus/node-exporter');
  });
  beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));

  test('is written by the timer, whole at every moment, and node_exporter reads it', async () => {
    await systemd.addInstance(host, 'app', { conf: [`PROGRAM=${systemd.echoProgram}`, 'OPTIONS=-F 2'] });
    await host.ok('systemctl start spawn-fcgi@app');
    const typed = /^```sh\n(cp docs\/systemd[^]*?)^```$/m.exec(page)?.[1] ?? 'false';
    await host.ok(`set -e; cd /srv/spawn-fcgi\n${typed}`);
    const file = '/var/lib/prometheus/node-exporter/spawn-fcgi.prom';
    await machine.waitFor('the file', () => fs.existsSync(join(host.root, file)), { timeoutMs: 20_000 });
    let [reads, isOver] = [0, false];
    const reading = (async () => {
      for (; !isOver; reads += 1) {
        const text = fs.readFileSync(join(host.root, file), 'utf8');
        expect(text).toMatch(/^# HELP [^]*spawn_fcgi_up\{[^]*\n$/);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let run = 0; run < 3; run++) await host.ok('systemctl start spawn-fcgi-metrics.service');
    isOver = true;
    await reading;
    expect(reads).toBeGreaterThan(3);
    const read = `prometheus-node-exporter --collector.disable-defaults --collector.textfile \
      --collector.textfile.directory=/var/lib/prometheus/node-exporter --web.listen-address=127.0.0.1:9100 & \
      until curl -sf http://127.0.0.1:9100/metrics; do kill -0 $! || exit; done; kill $!`;
    const text = await host.ok(read);
    expect(text).toContain('node_textfile_scrape_error 0');
    expect(text).toMatch(/^spawn_fcgi_workers\{.*pool="plain-echo".*state="idle"\} 2$/m);
    expect(await host.ok('ls /var/lib/prometheus/node-exporter')).toBe('spawn-fcgi.prom\n');
  });

  test('is as it was where spawn-fcgictl cannot be run, and the unit has failed', async () => {
    const file = '/var/lib/prometheus/node-exporter/spawn-fcgi.prom';
    host.write(file, 'before\n');
    await host.ok('mv /usr/local/bin/spawn-fcgictl /usr/local/bin/gone');
    const { status } = await host.run('systemctl start spawn-fcgi-metrics.service');
    await host.ok('mv /usr/local/bin/gone /usr/local/bin/spawn-fcgictl');
    expect([status, await host.ok(`cat ${file}; ls /var/lib/prometheus/node-exporter`)]).toEqual([
      1,
      'before\nspawn-fcgi.prom\n',
    ]);
  });
});
