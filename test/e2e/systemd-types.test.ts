// Units of one's own under a real systemd: README's, each Type=, a watchdog, and a worker that is out of memory.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { makeMemoryGroup, waitFor } from '../helpers/machine/index.ts';
import { visit } from '../helpers/pool/index.ts';
import * as systemd from '../helpers/systemd/index.ts';
import { askEcho } from '../helpers/web/index.ts';

let host: systemd.SystemdMachine;

beforeAll(async () => {
  if (systemd.whyNoSystemd('gcc') !== undefined) return;
  host = await systemd.bootSystemd();
  systemd.placeEcho(host);
  await systemd.installUnits(host);
});
beforeEach((ctx) => systemd.needSystemd(ctx, 'gcc'));

async function ask(): Promise<void> {
  await askEcho({ socketPath: join(host.root, 'run/app.sock') });
}

async function install(unit: string): Promise<void> {
  host.write('/etc/systemd/system/app.service', unit);
  await host.ok('systemctl daemon-reload');
}

const processes = (): Promise<number[]> => systemd.unitProcesses(host, 'app.service');
const property = (name: string): Promise<string> => systemd.property(host, 'app.service', name);

/** From a start to a stop, with a reload, a killed worker and a killed supervisor in between. */
async function goThrough(): Promise<void> {
  const fullWithout = (ended: number): Promise<number[]> =>
    waitFor('all workers', async () => {
      const pids = await processes();
      return pids.length === 5 && !pids.includes(ended) && pids;
    });
  const before = await fullWithout(0);
  await ask();
  await host.ok('systemctl reload app');
  const [supervisor, ...workers] = await processes();
  expect(supervisor).toBe(before[0]);
  expect(workers.filter((pid) => before.includes(pid))).toEqual([]);
  await host.ok(`kill -9 ${workers[0]}`);
  await fullWithout(workers[0] ?? 0);
  await host.ok(`kill -9 ${supervisor}`);
  await ask();
  await waitFor('the next supervisor', async () => {
    const [main, ...others] = await processes();
    const isOther = main !== supervisor && !others.some((pid) => workers.includes(pid));
    return isOther && others.length === 4 && (await property('ActiveState')) === 'active';
  });
  await ask();
  await host.ok('systemctl stop app');
  expect(await processes()).toEqual([]);
  expect(await property('Result')).toBe('success');
}

const command = (options: string): string =>
  `/usr/local/bin/spawn-fcgi ${options} -s /run/app.sock -u www-data -F 4 --settle 200ms -- ${systemd.echoProgram}`;
const common =
  'ExecReload=/usr/local/bin/spawn-fcgictl reload $MAINPID\nKillMode=process\nRestart=on-failure\n';

const types = [
  { type: 'notify', settings: '', options: '-n --supervise' },
  { type: 'notify', settings: 'WatchdogSec=5s', options: '-n --supervise' },
  { type: 'exec', settings: '', options: '-n --supervise' },
  { type: 'forking', settings: 'PIDFile=/run/app.pid', options: '-P /run/app.pid' },
];

test.for(types)('Type=$type $settings: starts, reloads, is killed, comes back and stops', async (one) => {
  const { type, settings, options } = one;
  await install(`[Service]\nType=${type}\nExecStart=${command(options)}\n${settings}\n${common}`);
  await host.ok('systemctl start app');
  // The socket is there, except where nobody tells systemd so.
  if (type !== 'exec') await ask();
  await goThrough();
});

test.for(types)('Type=$type $settings: a program that is not there', async ({ type, settings, options }) => {
  const missing = command(options).replace(systemd.echoProgram, '/srv/nowhere');
  await install(`[Service]\nType=${type}\nExecStart=${missing}\n${settings}`);
  const start = await host.run('systemctl start app');
  expect(start.status).toBe(type === 'exec' ? 0 : 1);
  await systemd.waitForState(host, 'app.service', 'failed');
  await systemd.waitForStatus(host, 'app', /there is no '\/srv\/nowhere'/);
  await host.ok('systemctl reset-failed app');
});

test("README's unit is one of them", async () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const unit = /^```ini\n([^]*?)^```$/m.exec(readme)?.[1] ?? '';
  await install(unit.replace('-- /usr/bin/php-cgi', `--settle 200ms -- ${systemd.echoProgram}`));
  await host.ok('systemctl enable --now app');
  await ask();
  await goThrough();
  await host.ok('systemctl disable app');
});

test('a worker that is out of memory is replaced, and its unit goes on', { timeout: 90_000 }, async (ctx) => {
  const binary = readFileSync(compileC(fixture('scripted-worker.c')));
  host.write('/srv/app/growing', binary, 0o755);
  // With memory in the unified hierarchy systemd hears of it, and would stop the unit by default.
  const isUnified = (await host.ok('cat /sys/fs/cgroup/cgroup.controllers')).includes('memory');
  // Of a limit that it cannot see here (a group of version 1) the supervisor knows nothing.
  const options = '-n --supervise -s /run/app.sock -F 4 --oom-score-adj 640';
  const pool = `/usr/local/bin/spawn-fcgi ${options} -- /srv/app/growing grow=10 serve`;
  const limits = isUnified ? 'MemoryMax=100M\nMemorySwapMax=0\n' : '';
  await install(`[Service]\nType=notify\nOOMPolicy=continue\n${limits}KillMode=process
    ExecStart=/bin/sh -c 'until [ -e /run/may-start ]; do sleep 0.02; done; exec ${pool}'\n`);
  await host.ok('systemctl start --no-block app');
  const supervisor = await waitFor('the start', async () => (await processes())[0]);
  const group = isUnified ? undefined : makeMemoryGroup(100);
  if (typeof group === 'string') return ctx.skip(group);
  group?.add(host.pidHere(supervisor));
  await host.ok('touch /run/may-start && systemctl start app');

  const killed = async (): Promise<number> =>
    (await host.ok('journalctl -u app -o cat')).split('\n').filter((line) => line.includes('SIGKILL')).length;
  const path = join(host.root, 'run/app.sock');
  // One that is being killed answers nobody.
  const visitAll = (): Promise<unknown> =>
    Promise.all([1, 2, 3, 4].map(() => visit({ path }).catch(() => undefined)));
  const areKilled = async (): Promise<boolean> => {
    await visitAll();
    return (await killed()) >= 3;
  };
  await waitFor('three workers to be killed', areKilled, { timeoutMs: 20_000 });
  expect(await property('MainPID')).toBe(String(supervisor));
  expect(await property('ActiveState')).toBe('active');
  await host.ok('systemctl stop app');
  expect(await processes()).toEqual([]);
});
