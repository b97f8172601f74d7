// Pools under real init scripts and service managers: Debian's script of fcgiwrap as its package has it, beside 1.6, and
// the scripts of docs/init-scripts.md under Debian's, OpenRC's and Red Hat's rules, monit, runit, s6 and daemontools.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fixture } from '../helpers/compile-c.ts';
import type { RunResult } from '../helpers/run-command.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { needMachine, startMachine, type InitMachine } from './init-machine.ts';
import { pageScript } from './init-page.ts';
import { askPool, holdPool, startAsking } from './init-requests.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';

describe("Debian's init script of fcgiwrap", () => {
  const script = '/etc/init.d/fcgiwrap';

  function leftIn(machine: InitMachine): Record<string, boolean> {
    const has = (name: string): boolean => existsSync(join(machine.root, 'run', name));
    const runs = machine.pidsOf('fcgiwrap').length > 0;
    return { runs, hasSocket: has('fcgiwrap.socket'), hasPidFile: has('fcgiwrap.pid') };
  }

  async function tryAll(command: 'ours' | '1.6'): Promise<unknown[]> {
    const machine = await startMachine({ command, files: { '/etc/default/fcgiwrap': 'DIETIME=0.1' } });
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
    needMachine(ctx, fcgiwrap, script);
    const [ours, reference] = await Promise.all([tryAll('ours'), tryAll('1.6')]);
    expect(ours).toEqual(reference);
    expect(ours).toContainEqual(expect.objectContaining({ action: 'restart', status: 0, runs: true }));
  });

  test('restarts a pool that answers before, in the middle of a request, and afterwards', async (ctx) => {
    needMachine(ctx, fcgiwrap, script);
    const machine = await startMachine({ files: { '/etc/default/fcgiwrap': 'DIETIME=0.1\nQDIETIME=2' } });
    expect((await machine.run(`${script} start`)).status).toBe(0);
    const before = await askPool(machine, 'fcgiwrap.socket');
    const held = await holdPool(machine, 'fcgiwrap.socket');
    const restart = machine.run(`${script} restart`);
    await waitFor('the script to have sent its signal', () => machine.pidsOf('sleep').length > 0);
    held.release();
    expect(await held.answer).toBe(before);
    expect((await restart).status).toBe(0);
    expect(await askPool(machine, 'fcgiwrap.socket')).not.toBe(before);
    expect((await machine.run(`${script} stop`)).status).toBe(0);
    expect(machine.processes()).toEqual([]);
  });
});

const openrcRun = { '/srv/openrc-run': readFileSync(fixture('openrc-run.sh'), 'utf8') };
const redhatFunctions = { '/etc/init.d/functions': readFileSync(fixture('redhat-functions.sh'), 'utf8') };

const systems = [
  ["Debian's", pageScript('sh debian'), '/etc/init.d/app', {}],
  ["OpenRC's", pageScript('sh openrc'), 'sh /srv/openrc-run /etc/init.d/app', openrcRun],
  ["Red Hat's", pageScript('sh redhat'), '/etc/init.d/app', redhatFunctions],
] as const;

/** Supervisor and workers, none of them one of `ended`. */
function fullPool(machine: InitMachine, ended: readonly number[] = [], count = 3): Promise<number[]> {
  return waitFor(`${count} processes of the pool`, () => {
    const pids = machine.pidsOf('fcgiwrap');
    return pids.length === count && !pids.some((pid) => ended.includes(pid)) && pids;
  });
}

test.for(systems)(
  "the page's script under %s rules starts, reloads, restarts and stops",
  async (system, ctx) => {
    const [, text, script, files] = system;
    needMachine(ctx, fcgiwrap, 'start-stop-daemon', 'pidof');
    const machine = await startMachine({ files: { ...files, '/etc/init.d/app': text } });
    const call = async (action: string): Promise<number | null> =>
      (await machine.run(`${script} ${action}`)).status;
    expect(await call('status')).toBe(3);
    expect(await call('start')).toBe(0);
    expect(await call('status')).toBe(0);
    const first = await fullPool(machine);
    expect(await call('start')).toBe(0);
    expect(await fullPool(machine)).toEqual(first);

    const [supervisor, ...workers] = first;
    expect(await call('reload')).toBe(0);
    expect((await fullPool(machine, workers))[0]).toBe(supervisor);

    expect(await call('restart')).toBe(0);
    await fullPool(machine, first);
    await askPool(machine, 'app.sock');
    expect(await call('stop')).toBe(0);
    expect(machine.processes()).toEqual([]);
    expect(await call('status')).not.toBe(0);
  },
);

test('a script that starts a pool for each child, as those of Gentoo and Alpine, stops them all', async (ctx) => {
  needMachine(ctx, fcgiwrap, 'start-stop-daemon');
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
  const machine = await startMachine({ files: { ...openrcRun, '/etc/init.d/app': text } });
  const call = async (action: string): Promise<number | null> =>
    (await machine.run(`sh /srv/openrc-run /etc/init.d/app ${action}`)).status;
  expect(await call('start')).toBe(0);
  const first = await fullPool(machine, [], 6);
  await askPool(machine, 'app.sock-3');
  // The script waits for no end, and its start finds pools that still stop.
  expect(await call('restart')).toBe(0);
  await fullPool(machine, first, 6);
  await askPool(machine, 'app.sock-1');
  expect(await call('stop')).toBe(0);
  await waitFor('the end of all pools', () => machine.processes().length === 0);
});

test('monit starts a pool, starts it again after its supervisor was killed, restarts and stops it', async (ctx) => {
  needMachine(ctx, fcgiwrap, 'monit');
  const settings = `set daemon 1
    set idfile /run/monit.id
    set statefile /run/monit.state
    set httpd unixsocket /run/monit.sock
      allow tests:tests\n`;
  const machine = await startMachine({ files: { '/srv/monitrc': settings + pageScript('monit') } });
  await machine.run('chmod 600 /srv/monitrc');
  machine.keep('exec monit -c /srv/monitrc -I');
  const first = await fullPool(machine);
  const monit = (action: string): Promise<RunResult> => machine.run(`monit -c /srv/monitrc ${action} app`);
  // Before that it waits for what it started, and looks at nothing else.
  await waitFor('monit to see the pool', async () => /^ +status +OK$/m.test((await monit('status')).stdout), {
    intervalMs: 100,
  });

  const asking = startAsking(machine, 'app.sock');
  await machine.run(`kill -9 ${first[0]}`);
  const second = await fullPool(machine, first);
  expect(await asking.stop()).toEqual([]);

  expect((await monit('restart')).status).toBe(0);
  await fullPool(machine, second);
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
    needMachine(ctx, fcgiwrap, program, tool);
    const machine = await startMachine({ files: { '/srv/app/run': pageScript('sh run') } });
    machine.keep(`exec ${program} /srv/app`);
    const tell = async (command: string): Promise<void> => {
      const { status, stderr } = await machine.run(`${command} /srv/app`);
      expect(status, stderr).toBe(0);
    };
    const first = await fullPool(machine);
    await tell(commands.again);
    const second = await fullPool(machine, first);

    const asking = startAsking(machine, 'app.sock');
    await machine.run(`kill -9 ${second[0]}`);
    const third = await fullPool(machine, second);
    expect(await asking.stop()).toEqual([]);

    await tell(commands.down);
    await waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0);
    await tell(commands.up);
    await fullPool(machine, third);
    await tell(commands.down);
    await waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0);
  },
);
