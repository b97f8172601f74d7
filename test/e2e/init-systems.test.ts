// Pools under real supervisors: the scripts of docs/init-systems.md for monit, runit, s6 and daemontools.
import { expect, test } from 'vitest';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { pageScript } from '../helpers/pages/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';

test('monit starts a pool, starts it again after its supervisor was killed, restarts and stops it', async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, 'monit');
  const settings = `set daemon 1
    set idfile /run/monit.id
    set statefile /run/monit.state
    set httpd unixsocket /run/monit.sock
      allow tests:tests\n`;
  const machine = await inits.startMachine({ files: { '/srv/monitrc': settings + pageScript('monit') } });
  await machine.run('chmod 600 /srv/monitrc');
  machine.keep('exec monit -c /srv/monitrc -I');
  const first = await inits.poolOn(machine);
  const monit = (action: string): Promise<RunResult> => machine.run(`monit -c /srv/monitrc ${action} app`);
  // Before it does, it waits for what it started, and neither looks nor listens.
  const seen = (pool: readonly number[]): Promise<true> =>
    waitFor(
      'monit to see the pool',
      async () =>
        new RegExp(`^ +status +OK$[^]*^ +pid +${pool[0]}$`, 'm').test((await monit('status')).stdout),
      { intervalMs: 100, timeoutMs: 20_000 },
    );
  await seen(first);
  const asking = inits.startAsking(machine, 'app.sock');
  await machine.run(`kill -9 ${first[0]}`);
  const second = await inits.poolOn(machine, first);
  expect(await asking.stop()).toEqual([]);

  await seen(second);
  expect((await monit('restart')).status).toBe(0);
  await seen(await inits.poolOn(machine, second));
  expect((await monit('stop')).status).toBe(0);
  await waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0);
});

const managers = [
  ['runit', 'runsv', { down: 'sv -w 5 down', up: 'sv -w 5 up', again: 'sv -w 5 restart' }],
  ['s6', 's6-supervise', { down: 's6-svc -wD -T 5000 -d', up: 's6-svc -u', again: 's6-svc -wr -T 5000 -r' }],
  ['daemontools', 'supervise', { down: 'svc -d', up: 'svc -u', again: 'svc -t' }],
] as const;

test.for(managers)(
  '%s keeps a pool up, restarts it and takes it down',
  async ([, program, commands], ctx) => {
    const [tool = ''] = commands.down.split(' ');
    inits.needMachine(ctx, fcgiwrap, program, tool);
    const machine = await inits.startMachine({ files: { '/srv/app/run': pageScript('sh run') } });
    machine.keep(`exec ${program} /srv/app`);
    const tell = async (command: string): Promise<void> => {
      const { status, stderr } = await machine.run(`${command} /srv/app`);
      expect(status, stderr).toBe(0);
    };
    const first = await inits.poolOn(machine);
    await tell(commands.again);
    const second = await inits.poolOn(machine, first);
    // A start that is killed before its pool is up undoes itself.
    const isUp = async (): Promise<boolean> =>
      (await machine.run('spawn-fcgictl ping /run/app.sock')).status === 0;
    await waitFor('the pool to be up', isUp, { intervalMs: 50 });

    const asking = inits.startAsking(machine, 'app.sock');
    await machine.run(`kill -9 ${second[0]}`);
    const third = await inits.poolOn(machine, second);
    expect(await asking.stop()).toEqual([]);

    await tell(commands.down);
    await waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0);
    await tell(commands.up);
    await inits.poolOn(machine, third);
    await tell(commands.down);
    await waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0);
  },
);
