// The next start after a supervisor was killed: it takes the socket back from the workers, which serve on until its own
// are up (docs/internals/handover.md). Facts in a state file move nothing unless the kernel confirms them.
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PoolState } from '../../src/core/pool-state.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho, startRequests, transports } from '../helpers/web/index.ts';

describe.for(transports)('after a SIGKILL to the supervisor on %s', (transport) => {
  test('the next start under load refuses and loses nothing, and has all files', async () => {
    const place = await pools.makeEchoPlace(transport);
    const { address, target } = place;
    const first = await pools.start(place, ['-F', '3', '-P', place.pidFile], [], { address });
    const workers = await pools.fullPool(first, 3);
    const load = startRequests(target);
    await pools.killSupervisor(first);
    const next = await pools.start(place, ['-F', '2', '-P', place.pidFile], [], { address });
    await machine.waitFor('the end of the old workers', () => !workers.some((pid) => machine.isAlive(pid)));
    const answered = load.tally.answered;
    await machine.waitFor('more answers', () => load.tally.answered > answered + 20);
    const { lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(await pools.fullPool(next, 2)).toHaveLength(2);
    expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
    expect(await pools.isLocked(place)).toBe(true);
    expect(pools.readPoolState(place)).toMatchObject({ pid: next.pid, phase: 'serving' });
    expect((await pools.ctl(place.stateDir, ['ping', String(next.pid)])).status).toBe(0);
    await pools.endPool(place, next);
    await pools.expectNothingLeft(place);
  });
});

test('a worker that the dead supervisor had stopped goes on, and is ended', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place);
  const worker = await pools.onlyWorker(first);
  process.kill(first.pid, 'SIGKILL');
  process.kill(worker, 'SIGSTOP');
  await machine.waitFor('the stop', () => machine.readStat(worker)?.state === 'T');
  const next = await pools.start(place);
  await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
  await pools.visit({ path: place.socket });
  await pools.endPool(place, next);
  await pools.expectNothingLeft(place);
});

test('a worker whose children alone have the socket is taken over from, and ended', async () => {
  const place = pools.makePlace();
  const script = join(place.dir, 'wrapper');
  // A shell gives its background jobs another descriptor 0 first.
  const child = `'${place.app}' serve <&3 3<&- &`;
  const lines = ['#!/bin/sh', 'exec 3<&0', child, child, 'exec <&- 3<&-', 'wait'];
  fs.writeFileSync(script, `${lines.join('\n')}\n`);
  fs.chmodSync(script, 0o755);
  const wrapped = { ...place, app: script };
  const first = await pools.start(wrapped);
  const leader = await pools.onlyWorker(first);
  await machine.waitFor('the children', () => machine.sessionMembers(leader).length === 3);
  const isSocket = ({ target }: { target: string }): boolean => target.startsWith('socket:');
  await machine.waitFor('the closed socket', () => !machine.readOpenFiles(leader).some(isSocket));
  await pools.killSupervisor(first);
  await pools.visit({ path: place.socket });
  const { ino } = fs.statSync(place.socket);
  const next = await pools.start(wrapped);
  expect(fs.statSync(place.socket).ino).toBe(ino);
  await machine.waitFor('the end of the old session', () => machine.sessionMembers(leader).length === 0);
  await pools.visit({ path: place.socket });
  await pools.endPool(place, next);
  await pools.expectNothingLeft(place);
});

test('a start that fails leaves the old workers in service, and the next one finds them', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place);
  const worker = await pools.onlyWorker(first);
  await pools.killSupervisor(first);
  const failed = await pools.run(place, [], ['exit=3']);
  expect(failed).toMatchObject({ status: 3, stdout: '' });
  expect(machine.isAlive(worker)).toBe(true);
  await pools.visit({ path: place.socket });
  const next = await pools.start(place);
  await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
  await pools.endPool(place, next);
  await pools.expectNothingLeft(place);
});

test('a worker that the dead supervisor had stopped serves on after a start that fails, too', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place);
  const worker = await pools.onlyWorker(first);
  await pools.killSupervisor(first);
  process.kill(worker, 'SIGSTOP');
  await machine.waitFor('the stop', () => machine.readStat(worker)?.state === 'T');
  expect((await pools.run(place, [], ['exit=3'])).status).toBe(3);
  expect(machine.readStat(worker)?.state).not.toBe('T');
  await pools.visit({ path: place.socket });
});

test('a socket whose file is gone is of no use: it is bound anew, and the old workers end', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place);
  const worker = await pools.onlyWorker(first);
  await pools.killSupervisor(first);
  fs.rmSync(place.socket);
  const next = await pools.start(place);
  await pools.visit({ path: place.socket });
  await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
  await pools.endPool(place, next);
  await pools.expectNothingLeft(place);
});

test('workers of another user than the new pool shall have are named, and left alone', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const first = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
  const worker = await pools.onlyWorker(first);
  await pools.killSupervisor(first);
  const refused = await pools.run(place, ['-u', 'daemon', '-g', 'daemon']);
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(pools.hintsOf(refused.stderr).join('\n')).toContain(String(worker));
  expect(machine.isAlive(worker)).toBe(true);
  await pools.visit({ path: place.socket });
});

test('without leave to trace them, workers are named, and nothing is changed', async (ctx) => {
  machine.needRoot(ctx);
  const { place, asNobody } = makeNobodysPlace();
  // Whoever may not read a program may not look into its processes either.
  fs.chmodSync(place.app, 0o711);
  fs.chownSync(place.app, 0, 0);
  const options = ['-P', place.pidFile, '-F', '2'];
  const first = await pools.start(place, options, ['serve'], asNobody);
  const workers = await pools.fullPool(first, 2);
  await pools.killSupervisor(first);
  const refused = await pools.run(place, ['-M', '0666', ...options], ['serve'], asNobody);
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(pools.withoutHints(refused.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
  for (const worker of workers) expect(pools.hintsOf(refused.stderr).join('\n')).toContain(String(worker));
  expect(workers.every((pid) => machine.isAlive(pid) && machine.readStat(pid)?.state !== 'T')).toBe(true);
  expect(fs.statSync(place.socket).mode & 0o777).not.toBe(0o666);
  expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(String(first.pid));
  await pools.visit({ path: place.socket });
});

test('an ordinary user takes the socket back as root does', async (ctx) => {
  machine.needRoot(ctx);
  const { place, asNobody } = makeNobodysPlace();
  const options = ['-P', place.pidFile, '-F', '2'];
  const first = await pools.start(place, options, ['serve'], asNobody);
  const workers = await pools.fullPool(first, 2);
  const { ino } = fs.statSync(place.socket);
  await pools.killSupervisor(first);
  const next = await pools.start(place, ['-M', '0666', ...options], ['serve'], asNobody);
  await machine.waitFor('the end of the old workers', () => !workers.some((pid) => machine.isAlive(pid)));
  expect(fs.statSync(place.socket)).toMatchObject({ ino, uid: machine.NOBODY });
  expect(fs.statSync(place.socket).mode & 0o777).toBe(0o666);
  expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  await pools.visit({ path: place.socket });
  await pools.endPool(place, next);
  await pools.expectNothingLeft(place);
});

test.for([
  ['with -u', []],
  ['with -S and -u', ['-S']],
] as const)('in a chroot %s the socket is taken back', async ([, outside], ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  fs.mkdirSync(root);
  fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const socket = outside.length > 0 ? place.socket : '/app.sock';
  const path = outside.length > 0 ? place.socket : join(root, 'app.sock');
  const options = ['-c', root, ...outside, '-u', 'nobody', '-g', 'nogroup', '-P', place.pidFile];
  const log = ['--log', place.log, '--log-format', 'json'];
  const args = ['-s', socket, '--state-dir', place.stateDir, ...log, ...options, '--', '/app', 'serve'];
  const first = await pools.startPool(args, { cwd: place.dir });
  const worker = await pools.onlyWorker(first);
  const { ino } = fs.statSync(path);
  await pools.killSupervisor(first);
  const next = await pools.startPool(args, { cwd: place.dir });
  await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
  expect(fs.statSync(path).ino).toBe(ino);
  expect(pools.events(place, 'taken-over')).toMatchObject([{ workerPids: [worker] }]);
  await pools.visit({ path });
  expect(fs.readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  expect(await pools.ctl(place.stateDir, ['ping', path])).toMatchObject({ status: 0 });
  await next.stop();
});

test('the workers of both generations are ended when the supervisor was killed in a reload', async () => {
  const place = await pools.makeEchoPlace();
  const first = await pools.start(place, ['-F', '2', '--min-uptime', '50ms', '--settle', '50ms'], []);
  await pools.fullPool(first, 2);
  const held = connect({ path: place.socket });
  machine.atEnd(() => {
    held.destroy();
  });
  const isBusy = async (): Promise<boolean> => (await pools.statusOf(place)).busy === 1;
  await machine.waitFor('a worker that cannot be ended', isBusy);
  process.kill(first.pid, 'SIGHUP');
  await pools.waitForEvents(place, 'worker-replaced');
  const workers = pools.workersOf(first);
  await pools.killSupervisor(first);
  expect(workers.length).toBeGreaterThan(1);
  held.destroy();
  const next = await pools.start(place, [], []);
  await machine.waitFor('the end of all of them', () => !workers.some((pid) => machine.isAlive(pid)));
  await askEcho(place.target);
  await pools.endPool(place, next);
  await pools.expectNothingLeft(place);
});

describe('a state file that is wrong about', () => {
  interface Forgery {
    what: string;
    /** The bystander, a worker of another pool of ours; its supervisor lives, or not. */
    isOrphan: boolean;
    forge: (bystander: number, state: PoolState) => object;
  }

  const asWorker = (pid: number): object => ({ slot: 0, pid, startTime: startTimeOf(pid) });
  const forgeries: Forgery[] = [
    {
      what: 'the start time of a process',
      isOrphan: true,
      forge: (pid) => ({ workers: [{ slot: 0, pid, startTime: '1' }] }),
    },
    { what: 'what a process serves', isOrphan: false, forge: (pid) => ({ workers: [asWorker(pid)] }) },
    {
      what: 'what a process without a supervisor serves',
      isOrphan: true,
      forge: (pid) => ({ workers: [asWorker(pid)] }),
    },
    {
      what: 'one of two workers',
      isOrphan: true,
      forge: (pid, { workers }) => ({ workers: [asWorker(pid), ...workers] }),
    },
    {
      what: 'its socket',
      isOrphan: false,
      forge: (pid) => ({ workers: [], sockets: [socketOf(pid)], startTime: '1' }),
    },
    {
      what: 'the socket of a worker on trial',
      isOrphan: false,
      forge: (pid, { sockets }) => ({ sockets: [...sockets, socketOf(pid)], startTime: '1' }),
    },
  ];

  test.for(forgeries)('$what moves no signal and opens no descriptor', async ({ isOrphan, forge }, ctx) => {
    machine.needCommands(ctx, 'strace');
    const other = pools.makePlace();
    const { bystander, stop } = await startBystander(other, isOrphan);
    const place = pools.makePlace();
    const first = await pools.start(place);
    const worker = await pools.onlyWorker(first);
    // Written after the command has returned.
    await pools.waitForEvents(place, 'pool-up');
    await pools.killSupervisor(first);
    forgeState(place, (state) => forge(bystander, state));
    const trace = join(place.dir, 'trace');
    const calls = 'trace=kill,tkill,tgkill,pidfd_open,pidfd_send_signal';
    const next = pools.startForeground(
      ['-f', '-qq', '-o', trace, '-e', calls, pools.oursPath, ...pools.commandLine(place, ['-n'])],
      { cwd: place.dir, command: machine.findCommand('strace') ?? 'strace' },
    );
    // The worker serves on where the state does not name it any more; then the start is refused.
    const isUp = await Promise.race([
      // The first supervisor may have been killed before it wrote its own.
      machine
        .waitFor('the new pool', () => pools.events(place, 'pool-up').some(({ pid }) => pid !== first.pid))
        .then(() => true),
      next.ended.then(() => false),
    ]);
    if (isUp) {
      await pools.visit({ path: place.socket });
      await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
      process.kill(pools.readPoolState(place)?.pid ?? 0, 'SIGTERM');
      await next.ended;
    }
    const named = new RegExp(`\\((?:-?)${bystander}[,)]`);
    expect(
      fs
        .readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => named.test(line)),
    ).toEqual([]);
    expect(machine.isAlive(bystander)).toBe(true);
    await pools.visit({ path: other.socket });
    await stop();
  });

  test('the user of its workers moves no signal', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const first = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const worker = await pools.onlyWorker(first);
    await pools.killSupervisor(first);
    forgeState(place, () => ({ workerUid: 0 }));
    const refused = await pools.run(place);
    expect(refused).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(refused.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    expect(pools.hintsOf(refused.stderr).join('\n')).toContain(String(worker));
    expect(machine.isAlive(worker)).toBe(true);
  });

  test.for(['', '{}', '{"version":1', '[]', 'null', '\0'.repeat(100)])(
    'everything (%j) is none: the address is in use',
    async (text) => {
      const place = pools.makePlace();
      const first = await pools.start(place);
      const worker = await pools.onlyWorker(first);
      await pools.killSupervisor(first);
      fs.writeFileSync(pools.poolFile(place, '.state'), text);
      const refused = await pools.run(place);
      expect(refused).toMatchObject({ status: 255, stdout: '' });
      expect(pools.hintsOf(refused.stderr).join('\n')).toContain(String(worker));
      expect(machine.isAlive(worker)).toBe(true);
    },
  );
});

/** A worker of another pool, whose supervisor may have been killed too; `stop` ends what is left of it. */
async function startBystander(place: pools.Place, isOrphan: boolean) {
  const pool = await pools.start(place);
  const bystander = await pools.onlyWorker(pool);
  if (isOrphan) await pools.killSupervisor(pool);
  const stop = (): Promise<void> => (isOrphan ? machine.stopProcess(bystander) : pools.endPool(place, pool));
  return { bystander, stop };
}

function forgeState(place: pools.Place, forge: (state: PoolState) => object): void {
  const state = pools.readPoolState(place);
  if (!state) throw new Error('no state');
  fs.writeFileSync(pools.poolFile(place, '.state'), JSON.stringify({ ...state, ...forge(state) }));
}

function startTimeOf(pid: number): string {
  return String(machine.readStat(pid)?.startTime);
}

function socketOf(pid: number): string {
  const target = fs.readlinkSync(`/proc/${pid}/fd/0`);
  return target.slice('socket:['.length, -1);
}

/** A place that nobody may use. */
function makeNobodysPlace() {
  const place = pools.makePlace();
  for (const path of [place.dir, place.runDir, place.app, place.report])
    fs.chownSync(path, machine.NOBODY, machine.NOBODY);
  return { place, asNobody: { uid: machine.NOBODY, gid: machine.NOBODY } };
}
