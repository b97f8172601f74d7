// docs/checks.md with those who check pools: NRPE, the plugins of Nagios, Zabbix's agent, monit, collectd. Each runs what the
// page says, as a user who is not root, on a pool that serves, is saturated, and is gone.
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { monitoringBlock, startStatusNginx } from '../helpers/site/index.ts';

const docs = join(import.meta.dirname, '../../docs');
const page = fs.readFileSync(join(docs, 'checks.md'), 'utf8');
const plugins = '/usr/lib/nagios/plugins';
const needed = ['nginx', 'monit', 'zabbix_agentd', 'collectd', 'nrpe', `${plugins}/check_nrpe`];
const reason = machine.missing({ root: true, commands: [...needed, `${plugins}/check_http`] });

let place: pools.EchoPlace;
let pool: pools.Pool;
let webPort: number;

beforeAll(async () => {
  if (reason !== undefined) return;
  place = await pools.makeEchoPlace();
  const status = join(place.runDir, 'app.status');
  const options = ['--control-group', 'nogroup', '--status-socket', status, '--restart-delay', '10ms'];
  pool = await pools.start(place, options, [], { address: place.address });
  fs.copyFileSync(join(docs, 'monitoring/check_spawn_fcgi'), join(place.dir, 'check_spawn_fcgi'));
  fs.chmodSync(join(place.dir, 'check_spawn_fcgi'), 0o755);
  webPort = (await startStatusNginx(place.dir, status)).port;
});
beforeEach((ctx) => ctx.skip(reason !== undefined, reason));

/** The block of the page in that language, with this place's names. */
function blockOf(language: string): string {
  const ctl = `${pools.ctlPath} --state-dir ${place.stateDir}`;
  return monitoringBlock(language, 'checks.md')
    .replaceAll(
      /\/\S*\/check_spawn_fcgi/g,
      `SPAWN_FCGICTL=${pools.ctlPath} ${join(place.dir, 'check_spawn_fcgi')} -s ${place.stateDir}`,
    )
    .replaceAll(/(?<![\w/])(?:\/usr\/local\/bin\/)?spawn-fcgictl/g, ctl)
    .replaceAll('/run/app.sock', place.socket);
}

function startDaemon(name: string, args: readonly string[]): pools.ForegroundPool {
  return pools.startForeground(args, {
    command: machine.findCommand(name) ?? name,
  });
}

/** A file of its own for a daemon. */
function write(name: string, text: string): string {
  const path = join(place.dir, name);
  fs.writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** The only worker is busy, and a connection waits, until it is let go. */
async function saturate(): Promise<() => Promise<void>> {
  const connections = [connect(place.socket), connect(place.socket)];
  await machine.waitFor('a full pool', async () => (await pools.statusOf(place)).queue?.length === 1);
  return async () => {
    for (const connection of connections) connection.destroy();
    await machine.waitFor('an idle pool', async () => (await pools.statusOf(place)).idle === 1);
  };
}

test('NRPE runs the plugin, which knows serving from saturated', async () => {
  const port = await machine.freePort();
  const config = write(
    'nrpe.cfg',
    `server_address=127.0.0.1\nserver_port=${port}\nallowed_hosts=127.0.0.1\nnrpe_user=nobody\nnrpe_group=nogroup
pid_file=${place.dir}/nrpe.pid\nlog_file=${place.dir}/nrpe.log\n${blockOf('ini nrpe')}`,
  );
  fs.chmodSync(config, 0o644);
  const nrpe = startDaemon('nrpe', ['-c', config, '-f']);
  const check = (): ReturnType<typeof machine.runCommand> =>
    machine.runCommand(`${plugins}/check_nrpe`, ['-H', '127.0.0.1', '-p', String(port), '-c', 'check_app']);
  const first = await machine.waitFor('NRPE', async () => {
    const result = await check();
    return result.stdout.includes(place.socket) && result;
  });
  const figures = 'idle=1 busy=0 kept=0 unknown=0 starting=0 backoff=0 restarts=0c failures=0c';
  expect(first).toMatchObject({ status: 0 });
  expect(first.stdout).toContain(
    `OK: ${place.socket}: 1 idle, 0 busy | queue=0;5;100;0;1024 ${figures} rss=`,
  );
  const release = await saturate();
  expect(await check()).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('WARNING: ') as string,
  });
  await release();
  await nrpe.stop();
});

const runPlugin = (
  args: readonly string[],
  who: machine.RunOptions = {},
): ReturnType<typeof machine.runCommand> =>
  machine.runCommand(join(place.dir, 'check_spawn_fcgi'), ['-s', place.stateDir, ...args], {
    env: { ...process.env, SPAWN_FCGICTL: pools.ctlPath },
    ...who,
  });

test('the plugin counts failures, has thresholds, and says what is unknown', async () => {
  const [worker = 0] = await pools.fullPool(pool);
  process.kill(worker, 'SIGKILL');
  await pools.fullPool(pool, 1, [worker]);
  await machine.waitFor('the next worker', async () => (await pools.statusOf(place)).idle === 1);
  expect((await runPlugin([place.socket])).stdout).toContain(' restarts=1c failures=1c ');
  const release = await saturate();
  const texts = async (...args: string[]): Promise<[number | null, string | undefined]> => {
    const { status, stdout } = await runPlugin([...args, place.socket]);
    return [status, stdout.split(' | ')[0]];
  };
  expect(await texts()).toEqual([1, `WARNING: ${place.socket}: saturated, 1 wait`]);
  expect(await texts('-w', '1')).toEqual([1, `WARNING: ${place.socket}: 1 connections wait`]);
  expect(await texts('-w', '1', '-c', '1')).toEqual([2, `CRITICAL: ${place.socket}: 1 connections wait`]);
  expect(await texts('-c', 'x')).toMatchObject([3, expect.stringMatching(/^UNKNOWN: /)]);
  await release();
  const stranger = await runPlugin([place.socket], { uid: 3103, gid: 3103 });
  expect([stranger.status, stranger.stdout]).toEqual([3, expect.stringMatching(/^UNKNOWN: .*not permitted/)]);
});

test('check_http asks through nginx', async () => {
  const lines = blockOf('sh checks').trim().split('\n');
  expect(lines).toHaveLength(2);
  for (const line of lines) {
    const command = line.replace('-H localhost', `-H localhost -I 127.0.0.1 -p ${webPort}`);
    const { status, stdout } = await machine.runCommand('sh', ['-c', `${plugins}/${command}`]);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^HTTP OK: /)]);
  }
});

/** What the agent says to a server: its passive checks. */
async function askAgent(port: number, key: string): Promise<string> {
  const head = Buffer.alloc(13);
  head.write('ZBXD\x01');
  head.writeUInt32LE(Buffer.byteLength(key), 5);
  const connection = connect(port, '127.0.0.1');
  connection.end(Buffer.concat([head, Buffer.from(key)]));
  const chunks: Buffer[] = [];
  for await (const chunk of connection) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).subarray(13).toString();
}

test("Zabbix's agent has the keys, and what its server would look for is in the answer", async () => {
  const port = await machine.freePort();
  const config = write(
    'zabbix.conf',
    `Server=127.0.0.1\nListenIP=127.0.0.1\nListenPort=${port}\nLogType=console\nUser=nobody\nTimeout=30\n${blockOf('ini zabbix')}`,
  );
  fs.chmodSync(config, 0o644);
  const agent = startDaemon('zabbix_agentd', ['-c', config, '-f']);
  const ping = `spawn-fcgi.ping[${place.socket}]`;
  await machine.waitFor('the agent', async () => (await askAgent(port, ping).catch(() => undefined)) === '0');
  const release = await saturate();
  expect(await askAgent(port, ping)).toBe('1');
  await release();
  expect(await askAgent(port, 'spawn-fcgi.ping[/run/nowhere.sock]')).toBe('4');
  const status = JSON.parse(await askAgent(port, `spawn-fcgi.status[${place.socket}]`)) as unknown;
  const paths = [...page.matchAll(/`\$\[0\]\.([\w.[\]'-]+)`/g)].map(([, path = '']) =>
    path.replaceAll(/\['|'\]/g, (end) => (end === "['" ? '.' : '')),
  );
  expect(paths.length).toBeGreaterThan(4);
  for (const path of paths) {
    const value = path
      .split('.')
      .reduce<unknown>(
        (found, name) => (found as Record<string, unknown> | undefined)?.[name],
        (status as unknown[])[0],
      );
    expect([path, typeof value]).toEqual([path, 'number']);
  }
  const answers = blockOf('text items')
    .trim()
    .split('\n')
    .map(async (line) => {
      const key = line.replace('localhost', '127.0.0.1').replace(',80,', `,${webPort},`);
      const { stdout } = await machine.runCommand('zabbix_agentd', ['-c', config, '-t', key]);
      return /\[s\|(.*)\]\s*$/.exec(stdout)?.[1];
    });
  expect(await Promise.all(answers)).toEqual(['pong', '0']);
  await agent.stop();
});

test('collectd reads it as it reads php-fpm', async () => {
  const values = join(place.dir, 'csv');
  const block = blockOf('text collectd').replace('http://localhost/', `http://127.0.0.1:${webPort}/`);
  const config = write(
    'collectd.conf',
    `Hostname "web"\nBaseDir "${place.dir}"\nPIDFile "${place.dir}/collectd.pid"\nTypesDB "/usr/share/collectd/types.db"
Interval 1\nLoadPlugin csv\n<Plugin csv>\n  DataDir "${values}"\n</Plugin>\n${block}`,
  );
  const collectd = startDaemon('collectd', ['-f', '-C', config]);
  const read = (type: string): string | undefined => {
    const [file] = fs.globSync(`${values}/web/curl_json-app/${type}-*`);
    return file && fs.readFileSync(file, 'utf8').trim().split('\n')[1]?.split(',')[1];
  };
  await machine.waitFor('values', () => ['queue_length', 'gauge-idle', 'gauge-active'].every(read));
  expect([read('queue_length'), read('gauge-idle'), read('gauge-active')].map(Number)).toEqual([0, 1, 0]);
  await collectd.stop();
});

test('monit tells when the pool has gone, and then so does the plugin', async () => {
  const alerts = join(place.dir, 'alerts');
  const check = blockOf('text monit').replace(
    'for 3 cycles then alert',
    `then exec "/usr/bin/touch ${alerts}"`,
  );
  expect(check).toContain(alerts);
  const own = ['log', 'pidfile', 'idfile', 'statefile'].map(
    (what) => `set ${what} ${place.dir}/monit.${what}`,
  );
  const monit = startDaemon('monit', [
    '-I',
    '-c',
    write('monitrc', `set daemon 1\n${own.join('\n')}\n${check}`),
  ]);
  const log = join(place.dir, 'monit.log');
  const told = (text: string): Promise<boolean> =>
    machine.waitFor(text, () => fs.existsSync(log) && fs.readFileSync(log, 'utf8').includes(text));
  await told('started');
  await pool.stop();
  await machine.waitFor('the alert', () => fs.existsSync(alerts), { timeoutMs: 20_000 });
  expect(fs.readFileSync(log, 'utf8')).toContain("'app' status failed (4)");
  await monit.stop();
  expect(await runPlugin([place.socket])).toMatchObject({
    status: 2,
    stdout: expect.stringMatching(/^CRITICAL: .*no such pool/) as string,
  });
});
