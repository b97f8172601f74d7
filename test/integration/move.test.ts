// --replace over workers that lighttpd's command has started, and that nobody supervises: ours serve on the same socket, and
// all of the old ones end (docs/internals/handover.md). Under load: test/e2e/move-ledger.test.ts.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sys from '../helpers/sys/index.ts';
import { askEcho, startRequests, transports } from '../helpers/web/index.ts';

const moving = ['--replace', '--settle', '100ms', '--min-uptime', '100ms'];
const SO_RCVTIMEO = 20;

beforeEach((ctx) => machine.needCommands(ctx, pools.referencePath));

function gone(pids: readonly number[]): Promise<unknown> {
  return machine.waitFor('the end of the old ones', () => !pids.some((pid) => machine.isAlive(pid)));
}

test.for(transports)('on %s the socket stays; mode, backlog and PID file become ours', async (transport) => {
  const place = await pools.makeEchoPlace(transport);
  const { address } = place;
  const isUnix = transport !== 'TCP';
  const old = await pools.startBy16(place, ['-F', '3', '-P', place.pidFile], [], { address });
  expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(old.pids.join('\n'));
  const ino = isUnix ? fs.statSync(place.socket).ino : 0;
  const options = [...moving, '-F', '2', '-P', place.pidFile, '-b', '77', ...(isUnix ? ['-M', '0606'] : [])];
  const pool = await pools.start(place, options, [], { address });
  await gone(old.pids);
  await pools.fullPool(pool, 2);
  if (isUnix) expect(fs.statSync(place.socket)).toMatchObject({ ino, mode: 0o140606 });
  expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
  expect(pools.events(place, 'taken-over')).toMatchObject([
    { from: 0, unsupervised: true, workerPids: old.pids },
  ]);
  expect((await pools.statusOf(place)).queue).toMatchObject({ backlog: 77 });
  await askEcho(place.target);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test('a start that fails leaves the old pool as it was: options, mode, backlog, PID file', async () => {
  const place = pools.makePlace();
  const old = await pools.startBy16(place, ['-M', '0600', '-b', '99', '-P', place.pidFile]);
  const patience = Buffer.from(new BigInt64Array([1000n, 0n]).buffer);
  withSocket(old.pid, ({ descriptor }) =>
    expect(sys.setRawOption(descriptor, sys.SOL_SOCKET, SO_RCVTIMEO, patience)).toBe(true),
  );
  const { ino } = fs.statSync(place.socket);
  // As a killed start leaves them: they stay, and must name nobody.
  const files = ['lock', 'state'].map((ending) => `${place.socket.replaceAll('/', '%2F')}.${ending}`);
  fs.mkdirSync(place.stateDir);
  for (const file of files) fs.writeFileSync(join(place.stateDir, file), '', { mode: 0o600 });
  const options = [...moving, '-M', '0666', '-b', '5', '-P', place.pidFile];
  expect(await pools.run(place, options, ['exit=3'])).toMatchObject({ status: 3, stdout: '' });
  // Up, and then not what it was to be: backlog and O_NONBLOCK are as ours need them by then.
  const probed = [...options, '--ready', 'probe', '--ready-timeout', '1s'];
  expect(await pools.run(place, probed, ['nonblock', 'serve'])).toMatchObject({ status: 75 });
  expect(fs.statSync(place.socket)).toMatchObject({ ino, mode: 0o140600 });
  expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(String(old.pid));
  withSocket(old.pid, (socket) => {
    expect(sys.rawOption(socket.descriptor, sys.SOL_SOCKET, SO_RCVTIMEO, 16)).toEqual(patience);
    expect(sys.acceptQueue(socket)?.backlog).toBe(99);
    expect(sys.isNonBlocking(socket.descriptor)).toBe(false);
  });
  await pools.visit({ path: place.socket });
  // Nor does a plain start take them for ours.
  expect((await pools.run(place)).status).toBe(255);
  expect(machine.isAlive(old.pid)).toBe(true);
  expect(pools.filesOf(place)).toEqual([
    'run/app.pid',
    'run/app.sock',
    ...files.map((file) => `state/${file}`),
  ]);
});

/** A copy for that long: who has it holds the socket. */
function withSocket(pid: number, look: (socket: sys.ListenSocket) => void): void {
  const lender = new sys.DescriptorLender(pid);
  const descriptor = lender.borrow(0);
  lender.close();
  const inode = fs.readlinkSync(`/proc/${pid}/fd/0`).slice('socket:['.length, -1);
  look({ descriptor, inode, file: undefined });
  sys.libc.close(descriptor);
}

test('an interrupted start leaves them alone, in the foreground, too', async () => {
  const place = pools.makePlace();
  const old = await pools.startBy16(place);
  const start = pools.startStaying(place, ['--supervise', ...moving], ['pause=5000', 'serve']);
  await pools.waitForStarts(place, 2);
  process.kill(start.pid, 'SIGTERM');
  expect((await start.ended).status).toBe(0);
  expect(machine.isAlive(old.pid)).toBe(true);
  await pools.visit({ path: place.socket });
});

test('one that was stopped and one that ignores TERM end', async () => {
  const place = pools.makePlace();
  const actions = [`once=${join(place.dir, 'deaf')}`, 'ignore=15', 'serve'];
  const old = await pools.startBy16(place, ['-F', '2'], actions);
  process.kill(old.pid, 'SIGSTOP');
  await machine.waitFor('the stop', () => machine.readStat(old.pid)?.state === 'T');
  const pool = await pools.start(place, moving);
  await gone(old.pids);
  await pools.endPool(place, pool);
});

test('one that was stopped in the middle of a request answers it, and ends', async () => {
  const place = await pools.makeEchoPlace();
  const old = await pools.startBy16(place, [], []);
  const answer = askEcho(place.target, 'sleep=300');
  await machine.waitFor('the request', () => machine.readOpenFiles(old.pid).length > 3);
  process.kill(old.pid, 'SIGSTOP');
  await machine.waitFor('the stop', () => machine.readStat(old.pid)?.state === 'T');
  const pool = await pools.start(place, [...moving, '--stop-timeout', '10m'], []);
  expect(await answer).toMatchObject({ pid: old.pid });
  await gone(old.pids);
  await pools.endPool(place, pool);
});

test.for([
  ['who serves still', false],
  ['who was killed', true],
] as const)('what a worker has started, %s, and what keeps the socket ends', async ([, isKilled]) => {
  const place = pools.makePlace();
  const file = join(place.dir, 'pids');
  const program = compileC(fixture('leaving-worker.c'));
  const command = ['--', program, `pids=${file}`, 'group', 'session', 'daemon', 'serve'];
  const old = await pools.startPool(['-s', place.socket, ...command], {
    command: pools.referencePath,
    cwd: place.dir,
  });
  const others = await pools.waitForPids(file, 3);
  if (isKilled) process.kill(old.pid, 'SIGKILL');
  await machine.waitFor('the end of those that were killed', () => machine.isAlive(old.pid) !== isKilled);
  const pool = await pools.start(place, moving, ['serve']);
  await gone([old.pid, ...others]);
  await pools.endPool(place, pool);
});

test('workers that are never idle are followed to the end of a request each, long before the deadline', async (ctx) => {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  ctx.skip(!/^Seccomp:\s*0$/m.test(status), 'nobody is followed under a filter of system calls');
  const place = await pools.makeEchoPlace();
  const old = await pools.startBy16(place, ['-F', '2'], []);
  // For every worker, of both pools, somebody waits in the queue.
  const load = startRequests(place.target, 8);
  const pool = await pools.start(place, [...moving, '-F', '2', '--stop-timeout', '10m'], []);
  await gone(old.pids);
  const { lost } = await load.stop();
  expect(lost).toEqual([]);
  await pools.endPool(place, pool);
});

test('workers of another call, on another address, stay', async () => {
  const place = pools.makePlace();
  const other = { ...place, socket: join(place.runDir, 'other.sock') };
  const stays = await pools.startBy16(other);
  const old = await pools.startBy16(place, ['-F', '2']);
  const pool = await pools.start(place, moving);
  await gone(old.pids);
  expect(machine.isAlive(stays.pid)).toBe(true);
  await pools.visit({ path: other.socket });
  process.kill(pool.pid, 'SIGTERM');
});

test('an ordinary user moves what is his own', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  await machine.runCommand('chown', ['-R', `${machine.NOBODY}:${machine.NOBODY}`, place.dir]);
  const who = { uid: machine.NOBODY, gid: machine.NOBODY };
  const old = await pools.startBy16(place, [], ['serve'], who);
  const pool = await pools.start(place, moving, ['serve'], who);
  await gone(old.pids);
  await pools.endPool(place, pool);
});

test.for([
  ['inside', []],
  ['outside', ['-S']],
] as const)('in a chroot, with the socket %s, with -u', async ([where, before], ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  fs.mkdirSync(join(root, 'dev'), { recursive: true });
  fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const inside = { ...place, app: '/app', report: '/report' };
  const socket = where === 'inside' ? '/app.sock' : place.socket;
  const options = ['-c', root, ...before, '-u', 'nobody', '-g', 'nogroup'];
  const address = { address: ['-s', socket] };
  // Without /dev/null in there 1.6 leaves them the output that it has.
  await machine.runCommand('mknod', ['-m', '666', join(root, 'dev/null'), 'c', '1', '3']);
  fs.writeFileSync(join(root, 'report'), '');
  fs.chmodSync(join(root, 'report'), 0o666);
  const old = await pools.startBy16(inside, options, ['serve'], address);
  const pool = await pools.start(inside, [...moving, ...options], ['serve'], address);
  await gone(old.pids);
  await pools.visit({ path: where === 'inside' ? join(root, 'app.sock') : place.socket });
  await pool.stop();
});
