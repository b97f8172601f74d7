// Pools under supervisord and monit, by the blocks of docs/init-systems.md.
import { expect, test, type TestContext } from 'vitest';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { pageScript } from '../helpers/pages/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';

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
  return { machine, ctl: (words) => inits.tell(machine, `supervisorctl -c /srv/supervisord.conf ${words}`) };
}

const supervised = [
  ['a pool', inits.quickReload(pageScript('ini program')), 'no request is lost'],
  ['a pool on its own socket', inits.quickReload(pageScript('ini fcgi-program')), 'it answers'],
] as const;

test.for(supervised)(
  'supervisord keeps %s up, reloads, restarts and stops it, and is no danger to workers',
  async ([, program, afterKill], ctx) => {
    const { machine, ctl } = await startSupervisord(ctx, `${program}stopasgroup=true\nkillasgroup=true\n`);
    const [supervisor = 0, ...workers] = await inits.poolOn(machine);
    await inits.upPool(machine);
    await ctl('signal HUP app');
    const [same = 0, ...renewed] = await inits.poolOn(machine, workers);
    expect(same).toBe(supervisor);
    await inits.reloadEnd(machine, 'srv/app.log');
    const old = [same, ...renewed];
    if (afterKill === 'no request is lost') await inits.killUnderLoad(machine, same, old);
    else await machine.run(`kill -9 ${same}`);
    const second = await inits.poolOn(machine, old);
    await inits.upPool(machine);

    const held = await inits.holdPool(machine, 'app.sock');
    const restart = ctl('restart app');
    await inits.stoppingPool(machine);
    held.release();
    await held.answer;
    await restart;
    await inits.poolOn(machine, second);
    await inits.upPool(machine);
    await inits.askPool(machine, 'app.sock');
    await ctl('stop app');
    await inits.poolEnd(machine);
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
    files: { '/srv/monitrc': settings + inits.quickReload(pageScript('monit')), '/srv/RELEASE': '1' },
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
  const second = await inits.killUnderLoad(machine, first[0] ?? 0, first);
  await seen(second);

  const [supervisor, ...workers] = second;
  await machine.run('touch -d tomorrow /srv/RELEASE');
  const third = await inits.poolOn(machine, workers);
  expect(third[0]).toBe(supervisor);
  expect((await monit('restart app')).status).toBe(0);
  await seen(await inits.poolOn(machine, third));
  expect((await monit('stop app')).status).toBe(0);
  await inits.poolEnd(machine);
});
