// Pools of a crontab: the lines of docs/init-systems.md, @reboot by Debian's cron, the others in the environment that
// cron gives them. And /etc/rc.local.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import * as inits from '../helpers/init/index.ts';
import { type RunResult, waitFor } from '../helpers/machine/index.ts';
import { crontabCommand } from '../helpers/pages/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';

function quote(words: string): string {
  return `'${words.replaceAll("'", `'\\''`)}'`;
}

/** As cron runs a line: by /bin/sh, with nothing in the environment, no terminal, and a pipe for what becomes mail. */
function runByCron(machine: inits.InitMachine, line: string): Promise<RunResult> {
  const environment = 'HOME=/root LOGNAME=root SHELL=/bin/sh PATH=/usr/bin:/bin';
  return machine.run(`cd /root; env -i ${environment} /bin/sh -c ${quote(line)} </dev/null 2>&1 | cat`);
}

/** A machine whose crontabs are those of the test alone. */
async function startMachine(ctx: TestContext, crontab: string): Promise<inits.InitMachine> {
  inits.needMachine(ctx, fcgiwrap, '/usr/sbin/cron');
  const machine = await inits.startMachine();
  const { status, stderr } = await machine.run(
    `mount -t tmpfs tmpfs /var/spool/cron && rm -f /etc/crontab /etc/cron.d/* &&
    printf '%s\\n' ${quote(crontab)} >/etc/cron.d/app`,
  );
  expect(status, stderr).toBe(0);
  return machine;
}

test('@reboot starts the pool, by cron itself', async (ctx) => {
  const machine = await startMachine(ctx, `@reboot root ${crontabCommand('@reboot')}`);
  machine.keep('exec cron -f');
  const pool = await inits.poolOn(machine);
  // cron waits for nothing: a worker may answer before the others are up, and only then has the file its PID.
  const pidFile = join(machine.root, 'run/app.pid');
  const written = (): string => (existsSync(pidFile) ? readFileSync(pidFile, 'utf8') : '');
  expect(await waitFor('the PID file', () => written() || undefined)).toBe(String(pool[0]));
  await inits.askPool(machine, 'app.sock');
  const { stdout } = await machine.run(`tr '\\0' '\\n' </proc/${pool[1]}/environ | sort`);
  expect(stdout).toContain('PATH=/usr/bin:/bin\n');
  await machine.run('spawn-fcgictl stop /run/app.pid');
});

test("every minute's line starts a pool that is gone, takes a killed one over, and leaves a good one alone", async (ctx) => {
  inits.needMachine(ctx, fcgiwrap);
  const machine = await inits.startMachine();
  const line = crontabCommand('* * * * *');
  await runByCron(machine, line);
  const first = await inits.poolOn(machine);
  expect((await runByCron(machine, line)).stdout).toBe('');
  expect(await inits.poolOn(machine)).toEqual(first);

  const asking = inits.startAsking(machine, 'app.sock');
  await inits.killOn(machine, first[0]);
  await runByCron(machine, line);
  const second = await inits.poolOn(machine, first);
  expect(await asking.stop()).toEqual([]);

  // A start beside a pool that does not serve any more changes nothing, and says so.
  await machine.run('rm /run/app.pid; kill -STOP $(pgrep -x fcgiwrap | tail -2)');
  const { stdout } = await runByCron(machine, line.replace('ping', 'ping --probe --timeout 300ms'));
  expect(stdout).toContain("socket is already in use, can't spawn");
  expect(await inits.poolOn(machine)).toEqual(second);
  await machine.run('kill -CONT $(pgrep -x fcgiwrap); spawn-fcgictl stop /run/app.sock');
  await inits.emptyMachine(machine);
});

test("a user's pool is found from a login and from a crontab by --state-dir alone", async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, 'setpriv');
  const machine = await inits.startMachine();
  await machine.run('mkdir -p /srv/www/.spawn-fcgi /run/user/33; chown -R 33:33 /srv/www /run/user/33');
  const as = (environment: string, words: string): Promise<RunResult> =>
    machine.run(
      `exec setpriv --reuid=33 --regid=33 --clear-groups env -i HOME=/srv/www PATH=/usr/bin:/bin ${environment} sh -c ${quote(words)}`,
    );
  const login = 'XDG_RUNTIME_DIR=/run/user/33';
  const start = `spawn-fcgi -s /srv/www/app.sock -F 2 -- ${fcgiwrap}`;
  const named = start.replace('-s', '--state-dir "$HOME/.spawn-fcgi" -s');

  expect((await as(login, start)).status).toBe(0);
  await inits.poolOn(machine);
  expect((await as('', 'spawn-fcgictl ping /srv/www/app.sock')).status).toBe(4);
  expect((await as(login, 'spawn-fcgictl stop /srv/www/app.sock')).status).toBe(0);
  await inits.emptyMachine(machine);

  expect((await as(login, named)).status).toBe(0);
  const first = await inits.poolOn(machine);
  const ping = 'spawn-fcgictl ping --state-dir "$HOME/.spawn-fcgi" /srv/www/app.sock';
  expect((await as('', ping)).status).toBe(0);
  await inits.killOn(machine, first[0]);
  expect((await as('', `${ping} || ${named}`)).status).toBe(0);
  const second = await inits.poolOn(machine, first);
  await machine.run(`kill ${second[0]}`);
  await inits.emptyMachine(machine);
});

test('/etc/rc.local starts a pool and comes to its end', async (ctx) => {
  inits.needMachine(ctx, fcgiwrap);
  const command = crontabCommand('@reboot');
  const machine = await inits.startMachine({
    files: { '/etc/rc.local': `#!/bin/sh -e\n${command}\necho done\nexit 0` },
  });
  expect((await machine.run('cd /; env -i /etc/rc.local </dev/null')).stdout).toBe('done\n');
  await inits.poolOn(machine);
  await machine.run('spawn-fcgictl stop /run/app.pid');
  await inits.emptyMachine(machine);
});
