// Pools under OpenRC's own openrc-run and supervise-daemon: docs/init/openrc/ with the settings that Gentoo's and
// Alpine's packages know, the script of docs/init-systems.md, and a script as those packages have it.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { initFile, pageScript } from '../helpers/pages/index.ts';
import { oursPath } from '../helpers/pool/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';

interface Openrc extends inits.InitMachine {
  /** An action of a service. */
  call(action: string, service?: string): Promise<RunResult>;
}

async function startOpenrc(ctx: TestContext, files: Record<string, string>): Promise<Openrc> {
  inits.needMachine(ctx, fcgiwrap, '/sbin/openrc-run', '/sbin/supervise-daemon');
  const machine = await inits.startMachine({ files });
  await inits.bootOpenrc(machine);
  return {
    ...machine,
    call: (action, service = 'spawn-fcgi.app') => machine.run(`/etc/init.d/${service} ${action}`),
  };
}

/** A machine with the script of docs/init/openrc/ and links to it, by their names, with their settings. */
async function startServices(ctx: TestContext, services: Record<string, string>): Promise<Openrc> {
  const settings = Object.entries(services).map(([name, text]) => [`/etc/conf.d/spawn-fcgi.${name}`, text]);
  const machine = await startOpenrc(ctx, {
    '/etc/init.d/spawn-fcgi': initFile('openrc/spawn-fcgi.initd'),
    '/etc/conf.d/spawn-fcgi': `${initFile('openrc/spawn-fcgi.confd')}\nFCGI_SPAWN=${oursPath}\n`,
    ...(Object.fromEntries(settings) as Record<string, string>),
  });
  for (const name of Object.keys(services))
    await machine.run(`ln -s spawn-fcgi /etc/init.d/spawn-fcgi.${name}`);
  return machine;
}

async function expectDone(result: Promise<RunResult>): Promise<void> {
  const { status, stdout, stderr } = await result;
  expect(status, stdout + stderr).toBe(0);
}

const one = `FCGI_SOCKET=/run/app.sock\nFCGI_PROGRAM=${fcgiwrap}\nFCGI_USER=www-data\nFCGI_WORKERS=2
FCGI_EXTRA_OPTIONS="--settle 500ms"`;

test('the commands of the page make a service of a pool', async (ctx) => {
  const machine = await startOpenrc(ctx, {
    '/srv/docs/init/openrc/spawn-fcgi.initd': initFile('openrc/spawn-fcgi.initd'),
    '/srv/docs/init/openrc/spawn-fcgi.confd': initFile('openrc/spawn-fcgi.confd'),
    '/etc/conf.d/spawn-fcgi': '# A system of OpenRC has the directory.',
  });
  const typed = pageScript('sh openrc').replace(
    '# and edit it',
    `; echo '${one}' >>/etc/conf.d/spawn-fcgi.app`,
  );
  await expectDone(machine.run(`set -e; cd /srv\n${typed}`));
  await inits.poolOn(machine);
  expect((await machine.run('rc-update show default')).stdout).toContain('spawn-fcgi.app');
  await expectDone(machine.call('stop'));
  await inits.emptyMachine(machine);
});

describe('the service script', () => {
  test('starts a pool for each child, as Gentoo and Alpine do, with all of their settings', async (ctx) => {
    const machine = await startServices(ctx, {
      app: `FCGI_SOCKET=/run/app.sock\nFCGI_PORT=\nFCGI_CHILDREN=3\nFCGI_PROGRAM="${fcgiwrap} -f"
        FCGI_USER=www-data\nFCGI_GROUP=daemon\nFCGI_CHDIR=/srv\nFCGI_EXTRA_OPTIONS="-M 0600 -U daemon"
        ALLOWED_ENV="TOLD EMPTY"\nTOLD="two words"\nEMPTY=\nOTHER=hidden`,
      'app-2': `FCGI_PORT=1234\nFCGI_PROGRAM=${fcgiwrap}\nFCGI_CHILDREN=2\nFCGI_DIR=/srv`,
    });
    await expectDone(machine.call('start'));
    await expectDone(machine.call('start', 'spawn-fcgi.app-2'));
    await inits.poolOn(machine, [], 10);
    for (const number of [1, 2, 3]) await inits.askPool(machine, `app.sock-${number}`);
    expect(statSync(join(machine.root, 'run/app.sock-1')).mode & 0o777).toBe(0o600);
    const { stdout: ports } = await machine.run('ss -ltnH | grep -o "127.0.0.1:123[0-9]" | sort');
    expect(ports).toBe('127.0.0.1:1234\n127.0.0.1:1235\n');

    const worker = await inits.askPool(machine, 'app.sock-1');
    const { stdout: seen } = await machine.run(
      `cd /proc/${worker}; tr '\\0' '\\n' <environ | grep -v ^PATH=; grep -h ^Gid: status; readlink cwd; tr '\\0' ' ' <cmdline`,
    );
    expect(seen.split(/\s+/).join(' ')).toBe(`TOLD=two words Gid: 1 1 1 1 /srv ${fcgiwrap} -f `);

    await expectDone(machine.call('stop'));
    await inits.poolOn(machine, [], 4);
    expect(existsSync(join(machine.root, 'run/spawn-fcgi/app-1.pid'))).toBe(false);
    await expectDone(machine.call('stop', 'spawn-fcgi.app-2'));
    await inits.emptyMachine(machine);
  });

  test('starts, reloads, restarts and stops one pool of FCGI_WORKERS, and loses no request in a reload', async (ctx) => {
    const machine = await startServices(ctx, { app: one });
    expect((await machine.call('status')).status).toBe(3);
    await expectDone(machine.call('start'));
    await expectDone(machine.call('status'));
    const first = await inits.poolOn(machine);
    await expectDone(machine.call('start'));
    expect(await inits.poolOn(machine)).toEqual(first);

    const [supervisor, ...workers] = first;
    const asking = inits.startAsking(machine, 'app.sock');
    await expectDone(machine.call('reload'));
    expect(await asking.stop()).toEqual([]);
    expect((await inits.poolOn(machine, workers))[0]).toBe(supervisor);

    const held = await inits.holdPool(machine, 'app.sock');
    const restart = machine.call('restart');
    await waitFor('a pool that lets nobody in', async () => {
      const { stdout } = await machine.run('spawn-fcgictl status /run/app.sock');
      return stdout.includes('stopping');
    });
    held.release();
    await held.answer;
    await expectDone(restart);
    await inits.poolOn(machine, first);
    await expectDone(machine.call('stop'));
    await inits.emptyMachine(machine);
    expect((await machine.call('status')).status).toBe(3);
  });

  test('calls a pool whose supervisor was killed crashed, takes its workers over, and stops them', async (ctx) => {
    const machine = await startServices(ctx, { app: one });
    await expectDone(machine.call('start'));
    const first = await inits.poolOn(machine);
    const asking = inits.startAsking(machine, 'app.sock');
    await inits.killOn(machine, first[0]);
    expect((await machine.call('status')).status).toBe(32);
    await expectDone(machine.call('zap'));
    await expectDone(machine.call('start'));
    const second = await inits.poolOn(machine, first);
    expect(await asking.stop()).toEqual([]);

    await inits.killOn(machine, second[0]);
    await expectDone(machine.call('stop'));
    await inits.emptyMachine(machine);
  });

  test('says a failed reload, and the old workers serve on', async (ctx) => {
    const machine = await startServices(ctx, { app: one.replace(fcgiwrap, '/srv/app/fcgiwrap') });
    await machine.run(`mkdir -p /srv/1 /srv/2; cp ${fcgiwrap} /srv/1; cp /bin/false /srv/2/fcgiwrap
      ln -s 1 /srv/app`);
    await expectDone(machine.call('start'));
    const first = await inits.poolOn(machine);
    await machine.run('ln -sfn 2 /srv/app');
    const { status, stderr } = await machine.call('reload');
    expect(status, stderr).toBe(1);
    expect(await inits.poolOn(machine)).toEqual(first);
  });

  const refused = [
    ['both addresses', `${one}\nFCGI_PORT=1234`, 'one of them must be empty (FCGI_PORT=)'],
    ['no program', 'FCGI_PORT=1234', 'FCGI_PROGRAM is missing'],
    ['a program that is none', 'FCGI_PROGRAM="/srv/app -x"', '/srv/app is no executable file'],
    ['a program outside of the chroot', `${one}\nFCGI_CHROOT=/srv`, `/srv${fcgiwrap} is no executable file`],
    ['a number that is none', `${one}\nFCGI_WORKERS=many`, 'numbers from 1 on'],
    ['a command that is none', `${one}\nFCGI_SPAWN=/srv/none`, 'there is no /srv/none'],
  ] as const;

  test('says what is wrong with the settings, by checkconfig and at the start', async (ctx) => {
    const machine = await startServices(ctx, { app: '' });
    for (const [what, settings, message] of refused) {
      await machine.run(`cat >/etc/conf.d/spawn-fcgi.app <<'END'\n${settings}\nEND`);
      for (const action of ['checkconfig', 'start']) {
        const { status, stdout, stderr } = await machine.call(action);
        expect(status, what).toBe(1);
        expect(stdout + stderr, what).toContain(`/etc/conf.d/spawn-fcgi.app: `);
        expect(stdout + stderr, what).toContain(message);
      }
    }
  });

  test('stops the pools that it has started when another one fails', async (ctx) => {
    const machine = await startServices(ctx, {
      app: one.replace('FCGI_WORKERS', 'FCGI_CHILDREN'),
    });
    await machine.run('echo no socket >/run/app.sock-2');
    expect((await machine.call('start')).status).toBe(1);
    await inits.emptyMachine(machine);
    expect(readFileSync(join(machine.root, 'run/app.sock-2'), 'utf8')).toBe('no socket\n');
  });
});

test('a script that starts a pool for each child, as those of Gentoo and Alpine, stops them all', async (ctx) => {
  const text = `#!/sbin/openrc-run
    start() {
      checkpath -q -d -m 700 /run/spawn-fcgi
      for child in 1 2 3; do
        env -i A=1 /sbin/start-stop-daemon --start --pidfile "/run/spawn-fcgi/app-$child.pid" --exec /usr/bin/spawn-fcgi -- \\
          -s "/run/app.sock-$child" -P "/run/spawn-fcgi/app-$child.pid" -u www-data -- ${fcgiwrap} || return
      done
    }
    stop() {
      for file in /run/spawn-fcgi/app-[0-9]*.pid; do start-stop-daemon --stop --pidfile "$file" || return; done
    }`;
  const machine = await startOpenrc(ctx, { '/etc/init.d/app': text });
  await expectDone(machine.call('start', 'app'));
  const first = await inits.poolOn(machine, [], 6);
  await inits.askPool(machine, 'app.sock-3');
  // The script waits for no end, and its start finds pools that still stop.
  await expectDone(machine.call('restart', 'app'));
  await inits.poolOn(machine, first, 6);
  await inits.askPool(machine, 'app.sock-1');
  await expectDone(machine.call('stop', 'app'));
  await inits.emptyMachine(machine);
});

describe('supervise-daemon', () => {
  const script = pageScript('sh supervise-daemon');
  /** Its own stays: the pool's processes are fcgiwrap's. */
  const ended = (machine: Openrc): Promise<true> =>
    waitFor('the end of the pool', () => machine.pidsOf('fcgiwrap').length === 0);

  test('keeps a pool up, loses no request when its supervisor is killed, restarts and stops it', async (ctx) => {
    const machine = await startOpenrc(ctx, { '/etc/init.d/app': script });
    await expectDone(machine.call('start', 'app'));
    const first = await inits.poolOn(machine);
    await waitFor('an answer', () => inits.askPool(machine, 'app.sock').catch(() => undefined));
    const asking = inits.startAsking(machine, 'app.sock');
    await inits.killOn(machine, first[0]);
    const second = await inits.poolOn(machine, first);
    expect(await asking.stop()).toEqual([]);

    await expectDone(machine.call('status', 'app'));
    await expectDone(machine.call('restart', 'app'));
    await inits.poolOn(machine, second);
    await expectDone(machine.call('stop', 'app'));
    await ended(machine);
  });

  test('leaves nothing that serves when its patience is too short', async (ctx) => {
    const machine = await startOpenrc(ctx, { '/etc/init.d/app': script.replace('TERM/15', 'TERM/1') });
    await expectDone(machine.call('start', 'app'));
    await waitFor('an answer', () => inits.askPool(machine, 'app.sock').catch(() => undefined));
    const held = await inits.holdPool(machine, 'app.sock');
    await expectDone(machine.call('stop', 'app'));
    await ended(machine);
    await expect(held.answer).rejects.toThrow('FastCGI request');
    held.release();
  });
});
