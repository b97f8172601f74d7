// Pools under real init scripts and service managers: Debian's script of fcgiwrap as its package has it, beside 1.6, and
// the scripts of docs/init-scripts.md under Debian's and Red Hat's rules, and Red Hat's sysconfig in docs/init/.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { fixture } from '../helpers/build/index.ts';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { initFile, pageScript } from '../helpers/pages/index.ts';

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

const redhatFunctions = { '/etc/init.d/functions': readFileSync(fixture('redhat-functions.sh'), 'utf8') };

const systems = [
  ["Debian's", pageScript('sh debian'), '/etc/init.d/app', {}],
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

const start = `start-stop-daemon --start --pidfile /run/app.pid --exec /usr/bin/spawn-fcgi -- -s /run/app.sock -P /run/app.pid -u www-data -F 2 -f ${fcgiwrap}`;

/** What scripts do that are copied from page to page: their way to restart, and what becomes of a request meanwhile. */
const copied = [
  [
    'gives a second, and removes the PID file',
    `start-stop-daemon --stop --pidfile /run/app.pid --retry 1; rm -f /run/app.pid; ${start}`,
    'cut',
  ],
  [
    'gives three seconds, then KILL and a second',
    `start-stop-daemon --stop --pidfile /run/app.pid --retry TERM/3/KILL/1; ${start}`,
    'cut',
  ],
  ['sends KILL to all of the name', `killall -9 fcgiwrap; ${start}`, 'cut'],
  [
    'sends QUIT, removes the PID file and waits a moment',
    `kill -QUIT $(cat /run/app.pid); rm -f /run/app.pid; sleep 0.1; ${start}`,
    'answered',
  ],
] as const;

test.for(copied)('a copied script that %s has a new pool afterwards', async ([, restart, becomes], ctx) => {
  inits.needMachine(ctx, fcgiwrap, 'start-stop-daemon', 'killall');
  const machine = await inits.startMachine();
  expect((await machine.run(start)).status).toBe(0);
  const first = await inits.poolOn(machine);
  const held = await inits.holdPool(machine, 'app.sock');
  const restarting = machine.run(restart);
  if (becomes === 'cut') await expect(held.answer).rejects.toThrow('FastCGI request');
  else await waitFor('the second command', () => pidFileOf(machine) !== String(first[0]));
  held.release();
  if (becomes === 'answered') await held.answer;
  const { status, stderr } = await restarting;
  expect(status, stderr).toBe(0);
  const second = await inits.poolOn(machine, first);
  await inits.askPool(machine, 'app.sock');
  expect(pidFileOf(machine)).toBe(String(second[0]));
});

/** Empty without one. */
function pidFileOf(machine: inits.InitMachine): string {
  try {
    return readFileSync(join(machine.root, 'run/app.pid'), 'utf8');
  } catch {
    return '';
  }
}

describe("Red Hat's sysconfig", () => {
  const sysconfig = initFile('rhel/spawn-fcgi.sysconfig')
    .replaceAll('apache', 'www-data')
    .replace('-C 32', '-C 3');
  /** What EPEL's initscript does, in words of our own. */
  const initscript = `#!/bin/sh
    . /etc/init.d/functions
    prog=spawn-fcgi
    . /etc/sysconfig/$prog
    start() {
      if [ -S "$SOCKET" ]; then rm -f "$SOCKET"; fi
      daemon "/usr/bin/$prog $OPTIONS >/dev/null"
    }
    stop() {
      killproc $prog
      if [ -S "$SOCKET" ]; then rm -f "$SOCKET"; fi
    }
    case $1 in
      start) status $prog >/dev/null || start ;;
      stop) stop ;;
      restart) stop; start ;;
      status) status $prog ;;
    esac`;
  const files = {
    ...redhatFunctions,
    '/etc/init.d/spawn-fcgi': initscript,
    '/etc/sysconfig/spawn-fcgi': sysconfig,
  };

  async function startRedhat(ctx: TestContext): Promise<inits.InitMachine> {
    inits.needMachine(ctx, '/usr/bin/php-cgi', 'pidof');
    return inits.startMachine({ files });
  }

  /** All processes that are called php-cgi: the supervisor, php-cgi itself and its children. */
  async function phpOn(machine: inits.InitMachine, count: number): Promise<number[]> {
    const all = async (): Promise<number[]> =>
      (await machine.run('ps -o pid= -C php-cgi')).stdout.trim().split(/\s+/).filter(Boolean).map(Number);
    return waitFor(`${count} processes of php-cgi`, async () => {
      const pids = await all();
      return pids.length === count && pids;
    });
  }

  const ownerOf = (machine: inits.InitMachine): Promise<RunResult> =>
    machine.run('stat -c "%a %U" /run/php-fcgi.sock');

  test("is read by EPEL's initscript, which starts, restarts and stops the pool", async (ctx) => {
    const machine = await startRedhat(ctx);
    const call = async (action: string): Promise<number | null> =>
      (await machine.run(`/etc/init.d/spawn-fcgi ${action}`)).status;
    expect(await call('status')).toBe(3);
    expect(await call('start')).toBe(0);
    const first = await phpOn(machine, 5);
    expect((await ownerOf(machine)).stdout).toBe('600 www-data\n');
    expect(await call('start')).toBe(0);
    expect(await phpOn(machine, 5)).toEqual(first);
    expect(await call('status')).toBe(0);
    expect(await call('restart')).toBe(0);
    expect(await phpOn(machine, 5)).not.toContain(first[0]);
    expect((await machine.run('spawn-fcgictl ping --probe --timeout 5s /run/php-fcgi.sock')).status).toBe(0);
    expect(await call('stop')).toBe(0);
    await phpOn(machine, 0);
  });

  const words = /^OPTIONS="(.*)"$/m.exec(sysconfig)?.[1] ?? '';

  test('becomes php-cgi in place by a unit with -n, and a supervised pool with --supervise', async (ctx) => {
    const machine = await startRedhat(ctx);
    for (const [options, count] of [
      ['-n', 4],
      ['-n --supervise', 5],
    ] as const) {
      const running = machine.run(`exec spawn-fcgi ${options} ${words}`);
      const [main = 0] = await phpOn(machine, count);
      expect((await ownerOf(machine)).stdout).toBe('600 www-data\n');
      expect(existsSync(join(machine.root, 'run/spawn-fcgi.pid'))).toBe(count === 5);
      await machine.run(`kill ${main}`);
      const { status, stderr } = await running;
      expect(status, stderr).toBe(0);
      await phpOn(machine, 0);
    }
  });

  test('has a unit that systemd-analyze finds nothing wrong with', async (ctx) => {
    inits.needMachine(ctx, 'systemd-analyze');
    const machine = await inits.startMachine({
      // There is nothing of ours in the machine's /usr/local.
      files: { '/srv/spawn-fcgi.service': initFile('rhel/spawn-fcgi.service').replaceAll('/local', '') },
    });
    await machine.run('chmod 644 /srv/spawn-fcgi.service');
    const { status, stdout, stderr } = await machine.run('systemd-analyze verify /srv/spawn-fcgi.service');
    expect(stdout + stderr).toBe('');
    expect(status).toBe(0);
  });
});
