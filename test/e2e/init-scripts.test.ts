// Pools under real init scripts and service managers: Debian's script of fcgiwrap as its package has it, beside 1.6, and
// the scripts of docs/init-scripts.md under Debian's, OpenRC's and Red Hat's rules, monit, runit, s6 and daemontools.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fixture } from '../helpers/build/index.ts';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { pageScript } from '../helpers/pages/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';

describe("Debian's init script of fcgiwrap", () => {
  const script = '/etc/init.d/fcgiwrap';

  function leftIn(machine: inits.InitMachine): Record<string, boolean> {
    const has = (name: string): boolean => existsSync(join(machine.root, 'run', name));
    const runs = machine.pidsOf('fcgiwrap').length > 0;
    return { runs, hasSocket: has('fcgiwrap.socket'), hasPidFile: has('fcgiwrap.pid') };
  }

  async function tryAll(command: 'ours' | '1.6'): Promise<unknown[]> {
    const machine = await inits.startMachine({ command, files: { '/etc/default/fcgiwrap': 'DIETIME=0.1' } });
    const seen: unknown[] = [];
    for (const action of 'status start status start restart status stop status stop restart stop'.split(
      ' ',
    )) {
      const { status, stdout } = await machine.run(`${script} ${action}`);
      seen.push({ action, status, stdout, ...leftIn(machine) });
    }
    return seen;
  }

  test('says and leaves with ours what it does with 1.6', async (ctx) => {
    inits.needMachine(ctx, fcgiwrap, script);
    const [ours, reference] = await Promise.all([tryAll('ours'), tryAll('1.6')]);
    expect(ours).toEqual(reference);
    expect(ours).toContainEqual(expect.objectContaining({ action: 'restart', status: 0, runs: true }));
  });

  test('restarts a pool that answers before, in the middle of a request, and afterwards', async (ctx) => {
    inits.needMachine(ctx, fcgiwrap, script);
    const machine = await inits.startMachine({
      files: { '/etc/default/fcgiwrap': 'DIETIME=0.1\nQDIETIME=2' },
    });
    expect((await machine.run(`${script} start`)).status).toBe(0);
    const before = await inits.askPool(machine, 'fcgiwrap.socket');
    const held = await inits.holdPool(machine, 'fcgiwrap.socket');
    const restart = machine.run(`${script} restart`);
    await waitFor('the script to have sent its signal', () => machine.pidsOf('sleep').length > 0);
    held.release();
    expect(await held.answer).toBe(before);
    expect((await restart).status).toBe(0);
    expect(await inits.askPool(machine, 'fcgiwrap.socket')).not.toBe(before);
    expect((await machine.run(`${script} stop`)).status).toBe(0);
    await inits.emptyMachine(machine);
  });
});

const openrcRun = { '/srv/openrc-run': readFileSync(fixture('openrc-run.sh'), 'utf8') };
const redhatFunctions = { '/etc/init.d/functions': readFileSync(fixture('redhat-functions.sh'), 'utf8') };

const systems = [
  ["Debian's", pageScript('sh debian'), '/etc/init.d/app', {}],
  ["OpenRC's", pageScript('sh openrc'), 'sh /srv/openrc-run /etc/init.d/app', openrcRun],
  ["Red Hat's", pageScript('sh redhat'), '/etc/init.d/app', redhatFunctions],
] as const;

test.for(systems)(
  "the page's script under %s rules starts, reloads, restarts and stops",
  async (system, ctx) => {
    const [, text, script, files] = system;
    inits.needMachine(ctx, fcgiwrap, 'start-stop-daemon', 'pidof');
    const machine = await inits.startMachine({ files: { ...files, '/etc/init.d/app': text } });
    const call = async (action: string): Promise<number | null> =>
      (await machine.run(`${script} ${action}`)).status;
    expect(await call('status')).toBe(3);
    expect(await call('start')).toBe(0);
    expect(await call('status')).toBe(0);
    const first = await inits.poolOn(machine);
    expect(await call('start')).toBe(0);
    expect(await inits.poolOn(machine)).toEqual(first);

    const [supervisor, ...workers] = first;
    expect(await call('reload')).toBe(0);
    expect((await inits.poolOn(machine, workers))[0]).toBe(supervisor);

    expect(await call('restart')).toBe(0);
    await inits.poolOn(machine, first);
    await inits.askPool(machine, 'app.sock');
    expect(await call('stop')).toBe(0);
    await inits.emptyMachine(machine);
    expect(await call('status')).not.toBe(0);
  },
);

const impatient = [
  [
    "Debian's of fcgiwrap",
    '',
    '/etc/init.d/fcgiwrap',
    { '/etc/default/fcgiwrap': 'DIETIME=0.1\nQDIETIME=0.2' },
  ],
  ["the page's for Debian", pageScript('sh debian').replace('TERM/10', 'TERM/1'), '/etc/init.d/app', {}],
  ["the page's for OpenRC", pageScript('sh openrc').replace('TERM/10', 'TERM/1'), systems[1][2], openrcRun],
  [
    "the page's for Red Hat",
    pageScript('sh redhat').replace('-d 10', '-d 0'),
    '/etc/init.d/app',
    redhatFunctions,
  ],
] as const;

test.for(impatient)(
  'a script that kills after a second or less, as %s, leaves nothing that serves',
  async (one, ctx) => {
    const [, text, script, files] = one;
    inits.needMachine(ctx, fcgiwrap, '/etc/init.d/fcgiwrap', 'start-stop-daemon', 'pidof');
    const machine = await inits.startMachine({ files: text ? { ...files, '/etc/init.d/app': text } : files });
    const socket = text ? 'app.sock' : 'fcgiwrap.socket';
    expect((await machine.run(`${script} start`)).status).toBe(0);
    const held = await inits.holdPool(machine, socket);
    expect((await machine.run(`${script} stop`)).status).toBe(0);
    await inits.emptyMachine(machine);
    await expect(held.answer).rejects.toThrow('FastCGI request');
    held.release();

    expect((await machine.run(`${script} start`)).status).toBe(0);
    await inits.askPool(machine, socket);
    expect((await machine.run(`${script} stop`)).status).toBe(0);
    await inits.emptyMachine(machine);
  },
);

test('a script that starts a pool for each child, as those of Gentoo and Alpine, stops them all', async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, 'start-stop-daemon');
  const text = `
    start() {
      for child in 1 2 3; do
        start-stop-daemon --start --pidfile "/run/app-$child.pid" --exec /usr/bin/spawn-fcgi -- \\
          -s "/run/app.sock-$child" -P "/run/app-$child.pid" -u www-data -- ${fcgiwrap} || return
      done
    }
    stop() {
      for file in /run/app-[0-9]*.pid; do start-stop-daemon --stop --pidfile "$file" || return; done
    }`;
  const machine = await inits.startMachine({ files: { ...openrcRun, '/etc/init.d/app': text } });
  const call = async (action: string): Promise<number | null> =>
    (await machine.run(`sh /srv/openrc-run /etc/init.d/app ${action}`)).status;
  expect(await call('start')).toBe(0);
  const first = await inits.poolOn(machine, [], 6);
  await inits.askPool(machine, 'app.sock-3');
  // The script waits for no end, and its start finds pools that still stop.
  expect(await call('restart')).toBe(0);
  await inits.poolOn(machine, first, 6);
  await inits.askPool(machine, 'app.sock-1');
  expect(await call('stop')).toBe(0);
  await inits.emptyMachine(machine);
});

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
