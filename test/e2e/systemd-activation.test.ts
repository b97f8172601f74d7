// Pools behind spawn-fcgi@.socket, as users that exist only while they run, and beside an nginx that is there before or
// after them, under a real systemd as PID 1.
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../helpers/machine/index.ts';
import * as systemd from '../helpers/systemd/index.ts';
import { answeringPid, send, type Reply } from '../helpers/web/index.ts';

const needed = ['nginx', 'gcc'];
const behindSocket = ['four', 'both', 'fleeting', 'early'];
const alone = ['late', 'plain'];
let host: systemd.SystemdMachine;

beforeAll(async () => {
  if (systemd.whyNoSystemd(...needed) !== undefined) return;
  host = await systemd.bootSystemd();
  systemd.placeEcho(host);
  await systemd.installUnits(host);
  await systemd.startWeb(
    host,
    Object.fromEntries([
      ...behindSocket.map((name) => [name, `unix:${systemd.givenSocketOf(name)}`]),
      ...alone.map((name) => [name, `unix:${systemd.socketOf(name)}`]),
    ]),
  );
});
beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));

const unitOf = (name: string): string => `spawn-fcgi@${name}.service`;
const conf = [`PROGRAM=${systemd.echoProgram}`, 'OPTIONS=-F 4 -M 0666 --settle 200ms'];

/** Of nginx's user. */
async function addSocket(name: string, instance: Partial<systemd.Instance> = {}): Promise<void> {
  const settings = '[Socket]\nSocketMode=0666\n';
  host.write(`/etc/systemd/system/spawn-fcgi@${name}.socket.d/test.conf`, settings);
  await systemd.addInstance(host, name, {
    conf: [`PROGRAM=${systemd.echoProgram}`, 'OPTIONS=-F 4 --settle 200ms', 'ADDRESS='],
    ...instance,
  });
}

function ask(name: string, query: string): Promise<Reply> {
  return send(systemd.webAddress(host, name), { query });
}

async function answers(name: string, count: number, ms: number): Promise<(number | undefined)[]> {
  const queries = Array.from({ length: count }, (_, n) => `n=${n}&sleep=${ms}`);
  const replies = queries.map(async (query) => answeringPid(await ask(name, query), { query }));
  return Promise.all(replies);
}

test('four workers accept on the one socket that systemd listens on; the first connection starts them', async () => {
  await addSocket('four');
  await host.ok('systemctl enable --now spawn-fcgi@four.socket');
  expect(await systemd.property(host, unitOf('four'), 'ActiveState')).toBe('inactive');
  const file = lstatSync(join(host.root, systemd.givenSocketOf('four')));
  const first = await ask('four', 'n=1');
  expect(first.status, first.body).toBe(200);
  // The first of them answers while the others are still being started.
  await systemd.waitForState(host, unitOf('four'), 'active');
  expect(await systemd.unitProcesses(host, unitOf('four'))).toHaveLength(5);
  const workers = new Set<number | undefined>();
  await waitFor('an answer of each', async () => {
    const pids = await answers('four', 4, 200);
    expect(pids).not.toContain(undefined);
    for (const pid of pids) workers.add(pid);
    return workers.size === 4;
  });

  await host.ok(`systemctl stop ${unitOf('four')}`);
  const after = lstatSync(join(host.root, systemd.givenSocketOf('four')));
  expect([after.ino, after.mode, after.uid, after.gid]).toEqual([file.ino, file.mode, file.uid, file.gid]);
  // And again.
  expect(await answers('four', 1, 0)).toEqual([expect.any(Number)]);
  await host.ok(`systemctl disable --now spawn-fcgi@four.socket; systemctl stop ${unitOf('four')}`);
});

test('an address beside the socket that systemd gives is refused, and systemctl status says so', async () => {
  await addSocket('both', { conf, dropIn: '[Service]\nRestart=no' });
  await host.ok('systemctl start spawn-fcgi@both.socket');
  expect((await host.run(`systemctl start ${unitOf('both')}`)).status).toBe(1);
  await systemd.waitForStatus(host, unitOf('both'), /a socket that was given \(LISTEN_FDS\)/);
  await host.ok('systemctl stop spawn-fcgi@both.socket');
});

test('with DynamicUser= the pool runs as nobody known, in its own runtime directory, and leaves neither', async () => {
  await addSocket('fleeting', { dropIn: systemd.unitFile('dynamic-user.conf') });
  await host.ok('systemctl start spawn-fcgi@fleeting.socket');
  expect((await answers('fleeting', 8, 50)).every((pid) => pid !== undefined)).toBe(true);
  await systemd.waitForState(host, unitOf('fleeting'), 'active');
  const pids = await systemd.unitProcesses(host, unitOf('fleeting'));
  const users = await host.ok(
    `stat -c %u ${pids.map((pid) => `/proc/${pid}/cwd/../proc/${pid}/task`).join(' ')}`,
  );
  expect(users.trim().split('\n').map(Number)).toEqual(pids.map(() => expect.toSatisfy(isDynamic) as number));
  await host.ok('systemctl reload spawn-fcgi@fleeting');
  await host.ok('systemctl restart spawn-fcgi@fleeting');
  expect((await answers('fleeting', 8, 50)).every((pid) => pid !== undefined)).toBe(true);
  await host.ok('systemctl stop spawn-fcgi@fleeting.socket spawn-fcgi@fleeting');
  expect(await systemd.unitProcesses(host, unitOf('fleeting'))).toEqual([]);
  expect(await host.ok('ls -A /tmp /run/spawn-fcgi')).not.toContain('fleeting');
});

/** As systemd.exec(5) has it. */
function isDynamic(uid: number): boolean {
  return uid >= 61_184 && uid <= 65_519;
}

test('an nginx that was there first needs no restart when its pool comes, goes and comes again', async () => {
  await systemd.addInstance(host, 'late', { conf });
  expect((await ask('late', 'n=1')).status).toBe(502);
  await host.ok('systemctl start spawn-fcgi@late');
  expect((await ask('late', 'n=2')).status).toBe(200);
  await host.ok('systemctl stop spawn-fcgi@late');
  expect((await ask('late', 'n=3')).status).toBe(502);
  await host.ok('systemctl start spawn-fcgi@late');
  expect((await ask('late', 'n=4')).status).toBe(200);
  await host.ok('systemctl stop spawn-fcgi@late');
});

test('at boot, in whatever order: with the .socket the first request waits for its pool, without it for nothing', async () => {
  await addSocket('early');
  await systemd.addInstance(host, 'plain', { conf });
  await host.ok('systemctl stop nginx');
  await host.ok('systemctl enable nginx spawn-fcgi@early.socket spawn-fcgi@plain');
  // What a boot does once its file systems are there.
  await host.ok('systemctl start sockets.target multi-user.target');
  // Nobody says that nginx listens.
  const first = await waitFor('nginx', async () => {
    const reply = await ask('early', 'n=1');
    return reply.status > 0 && reply;
  });
  expect(first.status).toBe(200);
  // systemctl waits for the targets, not for what they want.
  await waitFor('the pool without a socket', async () => (await ask('plain', 'n=2')).status === 200);
  await host.ok(
    'systemctl disable --now spawn-fcgi@early.socket spawn-fcgi@plain; systemctl stop spawn-fcgi@early',
  );
});
