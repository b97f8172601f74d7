// `--replace` over the pool of a unit, under a real systemd as PID 1: whoever takes it over is the unit's main process
// afterwards, in its cgroup, and no request is lost.
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../helpers/machine/index.ts';
import * as systemd from '../helpers/systemd/index.ts';

const needed = ['nginx', 'gcc'];
let host: systemd.SystemdMachine;

const command = (name: string): string =>
  `-s /run/${name}.sock -M 0666 -u www-data -F 2 --settle 200ms -- ${systemd.echoProgram}`;
const spawnFcgi = '/usr/local/bin/spawn-fcgi';

const ways = [
  {
    name: 'reload',
    what: 'by ExecReload=',
    settings: 'ExecReload={replace}',
    act: () => host.ok('systemctl reload reload'),
  },
  {
    name: 'background',
    what: 'by ExecReload= of a pool in the background',
    settings: 'NotifyAccess=all\nExecReload={replace}',
    isBackground: true,
    act: () => host.ok('systemctl reload background'),
  },
  {
    name: 'shell',
    what: "from root's shell",
    settings: '',
    act: () => host.ok(`${spawnFcgi} --replace ${command('shell')}`),
  },
];

beforeAll(async () => {
  if (systemd.whyNoSystemd(...needed) !== undefined) return;
  host = await systemd.bootSystemd();
  systemd.placeEcho(host);
  const pools = ways.map(({ name }) => [name, `unix:/run/${name}.sock`] as const);
  await systemd.startWeb(host, Object.fromEntries([...pools, ['foreign', 'unix:/run/foreign.sock']]));
});
beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));

async function startUnit(name: string, settings: string, isBackground = false): Promise<string> {
  const replace = `${spawnFcgi} --replace ${command(name)}`;
  host.write(
    `/etc/systemd/system/${name}.service`,
    `[Service]
Type=notify
KillMode=mixed
ExecStart=${spawnFcgi} ${isBackground ? '' : '-n --supervise'} ${command(name)}
${settings.replace('{replace}', replace)}
`,
  );
  await host.ok(`systemctl daemon-reload && systemctl start ${name}`);
  return mainOf(name);
}

const mainOf = (name: string): Promise<string> => systemd.property(host, `${name}.service`, 'MainPID');

test.for(ways)('$what', async ({ name, settings, isBackground, act }) => {
  const first = await startUnit(name, settings, isBackground);
  const load = systemd.loadOn(host, name, { clients: 2, workMs: 5 });
  await waitFor('answers', () => load.ledger.counts.answered > 20);
  await act();
  const isNext = async (): Promise<boolean> => {
    const main = await mainOf(name);
    return main !== first && main !== '0' && !(await host.ok('ps -eo pid=')).split(/\s+/).includes(first);
  };
  await waitFor('the next main process', isNext, { intervalMs: 30 });
  const seen = load.ended();
  await waitFor('what comes afterwards', () => load.ended() > seen + 20);
  // Supervisor and workers of it are in the unit, and nobody else.
  expect(await systemd.unitProcesses(host, `${name}.service`)).toHaveLength(3);
  expect(await systemd.property(host, `${name}.service`, 'ActiveState')).toBe('active');
  const { lost } = await load.stop();
  expect(lost).toEqual([]);
  await host.ok(`systemctl stop ${name}`);
  expect(await systemd.unitProcesses(host, `${name}.service`)).toEqual([]);
  expect(await systemd.property(host, `${name}.service`, 'Result')).toBe('success');
});

test('a release that does not run makes systemctl reload fail, and changes nothing', async () => {
  const missing = `ExecReload=${spawnFcgi} --replace ${command('foreign').replace(systemd.echoProgram, '/bin/false')}`;
  const first = await startUnit('foreign', missing);
  const failed = await host.run('systemctl reload foreign');
  expect(failed.status).toBe(1);
  expect(await mainOf('foreign')).toBe(first);
  const load = systemd.loadOn(host, 'foreign', { clients: 1 });
  await waitFor('answers', () => load.ledger.counts.answered > 10);
  const { lost } = await load.stop();
  expect(lost).toEqual([]);
  await host.ok('systemctl stop foreign');
});
