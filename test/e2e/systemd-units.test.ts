// The units of docs/systemd/ under a real systemd as PID 1: what systemctl says of them, and what it leaves.
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor, type RunResult } from '../helpers/machine/index.ts';
import * as systemd from '../helpers/systemd/index.ts';
import { answeringPid, send, type Reply } from '../helpers/web/index.ts';

const names = ['app', 'bad', 'busy', 'stuck', 'deaf', 'doomed', 'spared', 'one', 'two', 'three'];
let host: systemd.SystemdMachine;
beforeAll(async () => {
  if (systemd.whyNoSystemd('nginx', 'gcc') !== undefined) return;
  host = await systemd.bootSystemd();
  systemd.placeEcho(host);
  await systemd.installUnits(host);
  await systemd.startWeb(
    host,
    Object.fromEntries(names.map((name) => [name, `unix:${systemd.socketOf(name)}`])),
  );
});
beforeEach((ctx) => systemd.needSystemd(ctx, 'nginx', 'gcc'));

/** The page's conf with four workers that nginx's user reaches. */
function conf(...options: string[]): string[] {
  return [`PROGRAM=${systemd.echoProgram}`, `OPTIONS=-F 4 -M 0666 --settle 200ms ${options.join(' ')}`];
}

function ask(name: string, query = 'n=1'): Promise<Reply> {
  return send(systemd.webAddress(host, name), { query });
}

async function expectAnswer(name: string): Promise<void> {
  const message = { query: 'n=2' };
  const reply = await send(systemd.webAddress(host, name), message);
  expect(answeringPid(reply, message), reply.body).toBeTypeOf('number');
}

const unitOf = (name: string): string => `spawn-fcgi@${name}.service`;
const systemctl = (words: string): Promise<RunResult> => host.run(`systemctl ${words}`);

/** A request that a worker is at work on when this resolves. */
async function startSlow(name: string, ms: number): Promise<{ reply: Promise<Reply> }> {
  const reply = ask(name, `sleep=${ms}`);
  const status = `spawn-fcgictl status ${systemd.socketOf(name)}`;
  await waitFor('a busy worker', async () => (await host.run(status)).stdout.includes('1 busy'), {
    intervalMs: 20,
  });
  return { reply };
}

async function expectGone(name: string): Promise<void> {
  expect(await systemd.unitProcesses(host, unitOf(name))).toEqual([]);
}

test('a unit serves as soon as systemctl start returns, and leaves nothing when it is stopped', async () => {
  await systemd.addInstance(host, 'app', { conf: conf() });
  await host.ok('systemctl start spawn-fcgi@app');
  await expectAnswer('app');
  expect(await systemd.unitProcesses(host, unitOf('app'))).toHaveLength(5);
  expect(await systemd.property(host, unitOf('app'), 'StatusText')).toContain('4 of 4 up');
  await host.ok('systemctl stop spawn-fcgi@app');
  await expectGone('app');
  expect(await systemd.property(host, unitOf('app'), 'Result')).toBe('success');
});

test('systemctl reload replaces the workers, and fails for a release that does not run, while the pool serves on', async () => {
  const program = '/srv/release/plain-echo';
  await systemd.addInstance(host, 'bad', { conf: [`PROGRAM=${program}`, ...conf().slice(1)] });
  await host.ok(`mkdir -p /srv/release && cp ${systemd.echoProgram} ${program}`);
  await host.ok('systemctl start spawn-fcgi@bad');
  const [supervisor, ...workers] = await systemd.unitProcesses(host, unitOf('bad'));
  await host.ok('systemctl reload spawn-fcgi@bad');
  const [same, ...successors] = await systemd.unitProcesses(host, unitOf('bad'));
  expect(same).toBe(supervisor);
  expect(successors).toHaveLength(4);
  expect(successors.filter((pid) => workers.includes(pid))).toEqual([]);

  await host.ok(`printf '#!/bin/sh\\nexit 3\\n' >/srv/release/new && chmod 755 /srv/release/new`);
  await host.ok(`mv /srv/release/new ${program}`);
  const reload = await systemctl('reload spawn-fcgi@bad');
  expect(reload.status).toBe(1);
  expect(reload.stderr).toContain('Job for spawn-fcgi@bad.service failed');
  expect(await systemd.property(host, unitOf('bad'), 'ActiveState')).toBe('active');
  await expectAnswer('bad');
  await systemd.waitForStatus(host, 'spawn-fcgi@bad', /the old workers \(generation 2\) are in service/);
  await host.ok('systemctl stop spawn-fcgi@bad');
  await expectGone('bad');
});

test('a reload and a stop that take longer than the unit has time for get it, and wait for requests', async () => {
  await systemd.addInstance(host, 'busy', {
    conf: conf('--settle 3s'),
    dropIn: '[Service]\nTimeoutStartSec=2s\nTimeoutStopSec=2s',
  });
  await host.ok('systemctl start spawn-fcgi@busy');
  await host.ok('systemctl reload spawn-fcgi@busy');
  const slow = await startSlow('busy', 4000);
  await host.ok('systemctl stop spawn-fcgi@busy');
  expect((await slow.reply).status).toBe(200);
  expect(await systemd.property(host, unitOf('busy'), 'Result')).toBe('success');
  await expectGone('busy');
});

interface Workers {
  readonly workers: readonly { readonly pid: number }[];
  readonly spares?: { readonly workers: readonly { readonly pid: number; readonly state: string }[] };
}

/** PIDs of the slots and of the spare, once that is ready and is none of these. */
function withReadySpare(
  name: string,
  not: readonly number[] = [],
): Promise<{ pids: number[]; spare: number }> {
  return waitFor('a spare that is ready', async () => {
    const { stdout } = await host.run(`spawn-fcgictl status --json ${systemd.socketOf(name)}`);
    const [pool] = JSON.parse(stdout || '[]') as Workers[];
    const [one] = pool?.spares?.workers.filter(({ state }) => state === 'ready') ?? [];
    return (
      one && !not.includes(one.pid) && { pids: pool?.workers.map(({ pid }) => pid) ?? [], spare: one.pid }
    );
  });
}

test('spares of a unit take the place of workers, and end with a supervisor that was killed, and with the unit', async () => {
  await systemd.addInstance(host, 'spared', { conf: conf('--spare 1') });
  await host.ok('systemctl start spawn-fcgi@spared');
  const first = await withReadySpare('spared');
  await host.ok(`kill -9 ${first.pids[0]}`);
  const second = await withReadySpare('spared', [first.spare]);
  expect(second.pids).toContain(first.spare);
  await host.ok('systemctl kill --kill-who=main --signal=KILL spawn-fcgi@spared');
  const third = await withReadySpare('spared', [second.spare]);
  await expectAnswer('spared');
  const old = new Set([...second.pids, second.spare]);
  await waitFor('the end of the old ones', async () =>
    (await systemd.unitProcesses(host, unitOf('spared'))).every((pid) => !old.has(pid)),
  );
  await host.ok('systemctl reload spawn-fcgi@spared');
  const last = await withReadySpare('spared', [third.spare]);
  expect(third.pids.filter((pid) => last.pids.includes(pid))).toEqual([]);
  await host.ok('systemctl stop spawn-fcgi@spared');
  await expectGone('spared');
  expect(await systemd.property(host, unitOf('spared'), 'Result')).toBe('success');
});

test('a stop ends workers that do not end themselves', async () => {
  await systemd.addInstance(host, 'stuck', { conf: conf('--stop-timeout 500ms') });
  await host.ok('systemctl start spawn-fcgi@stuck');
  const slow = await startSlow('stuck', 60_000);
  const begin = performance.now();
  await host.ok('systemctl stop spawn-fcgi@stuck');
  expect(performance.now() - begin).toBeLessThan(10_000);
  expect((await slow.reply).status).toBe(502);
  expect(await systemd.property(host, unitOf('stuck'), 'Result')).toBe('success');
  await expectGone('stuck');
});

test('a supervisor that does not answer a stop is killed, and no worker serves on', async () => {
  await systemd.addInstance(host, 'deaf', { conf: conf(), dropIn: '[Service]\nTimeoutStopSec=4s' });
  await host.ok('systemctl start spawn-fcgi@deaf');
  const [supervisor] = await systemd.unitProcesses(host, unitOf('deaf'));
  const group = `'/sys/fs/cgroup${await systemd.property(host, unitOf('deaf'), 'ControlGroup')}/frozen'`;
  await host.ok(`mkdir ${group} && cd ${group} && echo ${supervisor} >cgroup.procs && echo 1 >cgroup.freeze`);
  expect((await systemctl('stop spawn-fcgi@deaf')).status).toBe(0);
  await expectGone('deaf');
  expect(await systemd.property(host, unitOf('deaf'), 'Result')).toBe('timeout');
});

test('workers of a unit that has failed for good serve on, until spawn-fcgictl ends them or the next start takes them over', async () => {
  await systemd.addInstance(host, 'doomed', { conf: conf(), dropIn: '[Unit]\nStartLimitBurst=1' });
  const path = systemd.socketOf('doomed');
  const fail = async (): Promise<number[]> => {
    await host.ok('systemctl reset-failed spawn-fcgi@doomed || :; systemctl start spawn-fcgi@doomed');
    // Workers that were taken over end a moment after the start.
    const [supervisor, ...workers] = await waitFor('the pool alone', async () => {
      const pids = await systemd.unitProcesses(host, unitOf('doomed'));
      return pids.length === 5 && pids;
    });
    await host.ok(`kill -KILL ${supervisor}`);
    await systemd.waitForState(host, unitOf('doomed'), 'failed');
    await expectAnswer('doomed');
    return workers;
  };
  const left = await fail();
  const taken = await fail();
  expect(taken.filter((pid) => left.includes(pid))).toEqual([]);
  expect((await host.run(`spawn-fcgictl ping ${path}`)).stdout).toMatch(/^dead: .* 4 workers serve on/);
  await host.ok(`spawn-fcgictl stop ${path}`);
  await expectGone('doomed');
  expect((await host.run(`ls ${path}`)).status).not.toBe(0);
});

test('a program that is not there fails the start, and systemctl status says why', async () => {
  await systemd.addInstance(host, 'none', {
    conf: ['PROGRAM=/srv/nowhere'],
    dropIn: '[Service]\nRestart=no',
  });
  const start = await systemctl('start spawn-fcgi@none');
  expect(start.status).toBe(1);
  const reason = /Error: 2 \(No such file or directory\)[^]*there is no '\/srv\/nowhere'/;
  await systemd.waitForStatus(host, 'spawn-fcgi@none', reason);
  expect(await systemd.property(host, unitOf('none'), 'ActiveState')).toBe('failed');
});

test('instances beside each other have nothing to do with one another', async () => {
  const three = ['one', 'two', 'three'];
  for (const name of three) await systemd.addInstance(host, name, { conf: conf() });
  await host.ok(`systemctl start ${three.map(unitOf).join(' ')}`);
  for (const name of three) await expectAnswer(name);
  await host.ok('systemctl stop spawn-fcgi@two && systemctl restart spawn-fcgi@three');
  await expectAnswer('one');
  await expectAnswer('three');
  expect((await ask('two')).status).toBe(502);
  await host.ok("systemctl stop 'spawn-fcgi@*'");
  for (const name of three) await expectGone(name);
});
