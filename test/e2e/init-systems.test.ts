// Pools under real supervisors, by the scripts and commands of docs/init-systems.md: runit, s6, daemontools, supervisord,
// monit, multiwatch.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { managerCommand, pageScript } from '../helpers/pages/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';
/** So that a reload of a test watches its last worker for less than the usual five seconds. */
const quick = (script: string): string => script.replace('-F 2', '-F 2 --settle 500ms');

async function tell(machine: inits.InitMachine, command: string): Promise<RunResult> {
  const result = await machine.run(command);
  expect(result.status, `${command}: ${result.stdout}${result.stderr}`).toBe(0);
  return result;
}

/** A start that is killed before its pool is up undoes itself. */
function upPool(machine: inits.InitMachine): Promise<boolean> {
  const isUp = async (): Promise<boolean> =>
    (await machine.run('spawn-fcgictl ping /run/app.sock')).status === 0;
  return waitFor('the pool to be up', isUp, { intervalMs: 50, timeoutMs: 20_000 });
}

const poolEnd = (machine: inits.InitMachine): Promise<true> =>
  waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0, { timeoutMs: 15_000 });

/** Whoever is killed while requests come in: the pool has a new supervisor and new workers, and no request is lost. */
async function killUnderLoad(
  machine: inits.InitMachine,
  pid: number,
  old: readonly number[],
): Promise<number[]> {
  const asking = inits.startAsking(machine, 'app.sock');
  await machine.run(`kill -9 ${pid}`);
  const pool = await inits.poolOn(machine, old);
  expect(await asking.stop()).toEqual([]);
  return pool;
}

const managers = [
  ['runit', 'runsv'],
  ['s6', 's6-supervise'],
  ['daemontools', 'supervise'],
] as const;

test.for(managers)('%s keeps a pool up, reloads, restarts and stops it', async ([name, program], ctx) => {
  const command = (row: string): string => managerCommand(row, name);
  const [scan = ''] = command('scans').split(' ');
  inits.needMachine(ctx, fcgiwrap, program, scan);
  const machine = await inits.startMachine({
    files: {
      '/srv/service/app/run': quick(pageScript('sh run')),
      '/srv/service/app/log/run': `#!/bin/sh\n${command('log/run')}\n`,
    },
  });
  machine.keep(`exec ${command('scans')}`);
  const first = await inits.poolOn(machine);
  await upPool(machine);

  const [supervisor = 0, ...workers] = first;
  await tell(machine, command('reload'));
  const [same = 0, ...renewed] = await inits.poolOn(machine, workers);
  expect(same).toBe(supervisor);
  await waitFor('the end of the reload', () =>
    readFileSync(join(machine.root, 'srv/service/app/log/current'), 'utf8').includes('reload finished'),
  );

  const second = await killUnderLoad(machine, same, [same, ...renewed]);
  const manager = machine
    .pidsOf(program)
    .find((pid) => readFileSync(join(machine.root, `proc/${pid}/cmdline`), 'utf8').endsWith('\0app\0'));
  const third = await killUnderLoad(machine, manager ?? 0, second);
  await upPool(machine);

  const held = await inits.holdPool(machine, 'app.sock');
  const down = tell(machine, command('down'));
  await waitFor('a pool that stops', async () =>
    (await machine.run('spawn-fcgictl status /run/app.sock')).stdout.includes('stopping'),
  );
  held.release();
  await held.answer;
  await down;
  await poolEnd(machine);
  await tell(machine, command('up'));
  const fourth = await inits.poolOn(machine, third);
  await upPool(machine);
  await tell(machine, command('restart'));
  await inits.poolOn(machine, fourth);
});

test("s6 waits for the pool's own word that it is up", async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, 's6-supervise');
  const machine = await inits.startMachine({
    files: {
      '/srv/app/run': pageScript('sh s6'),
      '/srv/app/notification-fd': '3',
      '/srv/app/down': '',
    },
  });
  machine.keep('exec s6-supervise /srv/app');
  await waitFor('s6-supervise', async () => (await machine.run('s6-svok /srv/app')).status === 0);
  await tell(machine, 's6-svc -wU -T 15000 -u /srv/app');
  await tell(machine, 'spawn-fcgictl ping /run/app.sock');
  expect((await tell(machine, 's6-svstat -o ready /srv/app')).stdout).toBe('true\n');
  await tell(machine, 's6-svc -wD -T 15000 -d /srv/app');
  await poolEnd(machine);
});

/** Runs it with a program of the page. */
async function startSupervisord(
  ctx: TestContext,
  program: string,
): Promise<{ machine: inits.InitMachine; ctl: (words: string) => Promise<RunResult> }> {
  inits.needMachine(ctx, fcgiwrap, 'supervisord', 'supervisorctl');
  const settings = `[supervisord]\nlogfile=/srv/supervisord.log\npidfile=/srv/supervisord.pid\nuser=root
[unix_http_server]\nfile=/srv/supervisor.sock
[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]\nserverurl=unix:///srv/supervisor.sock\n`;
  const machine = await inits.startMachine({ files: { '/srv/supervisord.conf': settings + program } });
  machine.keep('exec supervisord -n -c /srv/supervisord.conf');
  return { machine, ctl: (words) => tell(machine, `supervisorctl -c /srv/supervisord.conf ${words}`) };
}

const supervised = [
  ['a pool', quick(pageScript('ini program')), 'no request is lost'],
  ['a pool on its own socket', quick(pageScript('ini fcgi-program')), 'it answers'],
] as const;

test.for(supervised)(
  'supervisord keeps %s up, reloads, restarts and stops it, and is no danger to workers',
  async ([, program, afterKill], ctx) => {
    const { machine, ctl } = await startSupervisord(ctx, `${program}stopasgroup=true\nkillasgroup=true\n`);
    const [supervisor = 0, ...workers] = await inits.poolOn(machine);
    await upPool(machine);
    await ctl('signal HUP app');
    const [same = 0, ...renewed] = await inits.poolOn(machine, workers);
    expect(same).toBe(supervisor);
    await waitFor('the end of the reload', () =>
      readFileSync(join(machine.root, 'srv/app.log'), 'utf8').includes('reload finished'),
    );
    const old = [same, ...renewed];
    if (afterKill === 'no request is lost') await killUnderLoad(machine, same, old);
    else await machine.run(`kill -9 ${same}`);
    const second = await inits.poolOn(machine, old);
    await upPool(machine);

    const held = await inits.holdPool(machine, 'app.sock');
    const restart = ctl('restart app');
    await waitFor('a pool that stops', async () =>
      (await machine.run('spawn-fcgictl status /run/app.sock')).stdout.includes('stopping'),
    );
    held.release();
    await held.answer;
    await restart;
    await inits.poolOn(machine, second);
    await upPool(machine);
    await inits.askPool(machine, 'app.sock');
    await ctl('stop app');
    await poolEnd(machine);
  },
);

test('monit starts a pool, starts it again after its supervisor was killed, reloads, restarts and stops it', async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, 'monit');
  const settings = `set daemon 1
    set idfile /run/monit.id
    set statefile /run/monit.state
    set httpd unixsocket /run/monit.sock
      allow tests:tests\n`;
  const machine = await inits.startMachine({
    files: { '/srv/monitrc': settings + quick(pageScript('monit')), '/srv/RELEASE': '1' },
  });
  await machine.run('chmod 600 /srv/monitrc');
  machine.keep('exec monit -c /srv/monitrc -I');
  const first = await inits.poolOn(machine);
  const monit = (action: string): Promise<RunResult> => machine.run(`monit -c /srv/monitrc ${action}`);
  // Before it does, it waits for what it started, and neither looks nor listens.
  const seen = (pool: readonly number[]): Promise<true> =>
    waitFor(
      'monit to see the pool',
      async () =>
        new RegExp(`^ +status +OK$[^]*^ +pid +${pool[0]}$`, 'm').test((await monit('status app')).stdout),
      { intervalMs: 100, timeoutMs: 20_000 },
    );
  await seen(first);
  const second = await killUnderLoad(machine, first[0] ?? 0, first);
  await seen(second);

  const [supervisor, ...workers] = second;
  await machine.run('touch -d tomorrow /srv/RELEASE');
  const third = await inits.poolOn(machine, workers);
  expect(third[0]).toBe(supervisor);
  expect((await monit('restart app')).status).toBe(0);
  await seen(await inits.poolOn(machine, third));
  expect((await monit('stop app')).status).toBe(0);
  await poolEnd(machine);
});

test('multiwatch runs below -n as it does with 1.6, and is stopped by TERM', async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, '/usr/bin/multiwatch');
  const machine = await inits.startMachine();
  const starting = machine.run(
    `exec spawn-fcgi -n -s /run/app.sock -u www-data -- /usr/bin/multiwatch -f 2 -- ${fcgiwrap}`,
  );
  const [first = 0] = await inits.poolOn(machine, [], 2);
  await inits.askPool(machine, 'app.sock');
  await machine.run(`kill -9 ${first}`);
  await inits.poolOn(machine, [first], 2);
  // Nothing of ours is left: the process that was started is multiwatch.
  expect(machine.processes()).toEqual([fcgiwrap, fcgiwrap]);
  const { stdout } = await machine.run('ps -o args= -C multiwatch');
  expect(stdout).toBe(`/usr/bin/multiwatch -f 2 -- ${fcgiwrap}\n`);
  await machine.run('pkill -TERM -x multiwatch');
  await inits.emptyMachine(machine);
  expect((await starting).status).toBe(0);
});
