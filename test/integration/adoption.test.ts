// The next start after a supervisor was killed: it takes the socket back from the workers, which serve on until its own
// are up (docs/handover.md). Facts in a state file move nothing unless the kernel confirms them.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PoolState } from '../../src/core/pool-state.ts';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { atEnd } from '../helpers/machine/cleanup.ts';
import {
  isAlive,
  readOpenFiles,
  readStat,
  sessionMembers,
  stopProcess,
} from '../helpers/machine/processes.ts';
import { findCommand, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursPath, startForeground, startPool } from '../helpers/pool/command-under-test.ts';
import { ctl } from '../helpers/pool/ctl.ts';
import {
  isLocked,
  killSupervisor,
  makeEchoPlace,
  readPoolState,
  statusOf,
} from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  events,
  expectNothingLeft,
  fullPool,
  hintsOf,
  makePlace,
  onlyWorker,
  poolFile,
  run,
  start,
  visit,
  waitForEvents,
  withoutHints,
  workersOf,
  type Place,
} from '../helpers/pool/place.ts';
import { askEcho, startRequests } from '../helpers/web/request-load.ts';
import { transports } from '../helpers/web/transports.ts';

describe.for(transports)('after a SIGKILL to the supervisor on %s', (transport) => {
  test('the next start under load refuses and loses nothing, and has all files', async () => {
    const place = await makeEchoPlace(transport);
    const { address, target } = place;
    const first = await start(place, ['-F', '3', '-P', place.pidFile], [], { address });
    const workers = await fullPool(first, 3);
    const load = startRequests(target);
    await killSupervisor(first);
    const next = await start(place, ['-F', '2', '-P', place.pidFile], [], { address });
    await waitFor('the end of the old workers', () => !workers.some((pid) => isAlive(pid)));
    const answered = load.tally.answered;
    await waitFor('more answers', () => load.tally.answered > answered + 20);
    const { lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(await fullPool(next, 2)).toHaveLength(2);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
    expect(await isLocked(place)).toBe(true);
    expect(readPoolState(place)).toMatchObject({ pid: next.pid, phase: 'serving' });
    expect((await ctl(place.stateDir, ['ping', String(next.pid)])).status).toBe(0);
    await endPool(place, next);
    await expectNothingLeft(place);
  });
});

test('a worker that the dead supervisor had stopped goes on, and is ended', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  process.kill(first.pid, 'SIGKILL');
  process.kill(worker, 'SIGSTOP');
  await waitFor('the stop', () => readStat(worker)?.state === 'T');
  const next = await start(place);
  await waitFor('the end of the old worker', () => !isAlive(worker));
  await visit({ path: place.socket });
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('a worker whose children alone have the socket is taken over from, and ended', async () => {
  const place = makePlace();
  const script = join(place.dir, 'wrapper');
  // A shell gives its background jobs another descriptor 0 first.
  const child = `'${place.app}' serve <&3 3<&- &`;
  const lines = ['#!/bin/sh', 'exec 3<&0', child, child, 'exec <&- 3<&-', 'wait'];
  writeFileSync(script, `${lines.join('\n')}\n`);
  chmodSync(script, 0o755);
  const wrapped = { ...place, app: script };
  const first = await start(wrapped);
  const leader = await onlyWorker(first);
  await waitFor('the children', () => sessionMembers(leader).length === 3);
  const isSocket = ({ target }: { target: string }): boolean => target.startsWith('socket:');
  await waitFor('the closed socket', () => !readOpenFiles(leader).some(isSocket));
  await killSupervisor(first);
  await visit({ path: place.socket });
  const { ino } = statSync(place.socket);
  const next = await start(wrapped);
  expect(statSync(place.socket).ino).toBe(ino);
  await waitFor('the end of the old session', () => sessionMembers(leader).length === 0);
  await visit({ path: place.socket });
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('a start that fails leaves the old workers in service, and the next one finds them', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  const failed = await run(place, [], ['exit=3']);
  expect(failed).toMatchObject({ status: 3, stdout: '' });
  expect(isAlive(worker)).toBe(true);
  await visit({ path: place.socket });
  const next = await start(place);
  await waitFor('the end of the old worker', () => !isAlive(worker));
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('a worker that the dead supervisor had stopped serves on after a start that fails, too', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  process.kill(worker, 'SIGSTOP');
  await waitFor('the stop', () => readStat(worker)?.state === 'T');
  expect((await run(place, [], ['exit=3'])).status).toBe(3);
  expect(readStat(worker)?.state).not.toBe('T');
  await visit({ path: place.socket });
});

test('a socket whose file is gone is of no use: it is bound anew, and the old workers end', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  rmSync(place.socket);
  const next = await start(place);
  await visit({ path: place.socket });
  await waitFor('the end of the old worker', () => !isAlive(worker));
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('workers of another user than the new pool shall have are named, and left alone', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const first = await start(place, ['-u', 'nobody', '-g', 'nogroup']);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  const refused = await run(place, ['-u', 'daemon', '-g', 'daemon']);
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(hintsOf(refused.stderr).join('\n')).toContain(String(worker));
  expect(isAlive(worker)).toBe(true);
  await visit({ path: place.socket });
});

test('without leave to trace them, workers are named, and nothing is changed', async (ctx) => {
  needRoot(ctx);
  const { place, asNobody } = makeNobodysPlace();
  // Whoever may not read a program may not look into its processes either.
  chmodSync(place.app, 0o711);
  chownSync(place.app, 0, 0);
  const options = ['-P', place.pidFile, '-F', '2'];
  const first = await start(place, options, ['serve'], asNobody);
  const workers = await fullPool(first, 2);
  await killSupervisor(first);
  const refused = await run(place, ['-M', '0666', ...options], ['serve'], asNobody);
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(withoutHints(refused.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
  for (const worker of workers) expect(hintsOf(refused.stderr).join('\n')).toContain(String(worker));
  expect(workers.every((pid) => isAlive(pid) && readStat(pid)?.state !== 'T')).toBe(true);
  expect(statSync(place.socket).mode & 0o777).not.toBe(0o666);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(first.pid));
  await visit({ path: place.socket });
});

test('an ordinary user takes the socket back as root does', async (ctx) => {
  needRoot(ctx);
  const { place, asNobody } = makeNobodysPlace();
  const options = ['-P', place.pidFile, '-F', '2'];
  const first = await start(place, options, ['serve'], asNobody);
  const workers = await fullPool(first, 2);
  const { ino } = statSync(place.socket);
  await killSupervisor(first);
  const next = await start(place, ['-M', '0666', ...options], ['serve'], asNobody);
  await waitFor('the end of the old workers', () => !workers.some((pid) => isAlive(pid)));
  expect(statSync(place.socket)).toMatchObject({ ino, uid: NOBODY });
  expect(statSync(place.socket).mode & 0o777).toBe(0o666);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  await visit({ path: place.socket });
  await endPool(place, next);
  await expectNothingLeft(place);
});

test.for([
  ['with -u', []],
  ['with -S and -u', ['-S']],
] as const)('in a chroot %s the socket is taken back', async ([, outside], ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const root = join(place.dir, 'root');
  mkdirSync(root);
  copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const socket = outside.length > 0 ? place.socket : '/app.sock';
  const path = outside.length > 0 ? place.socket : join(root, 'app.sock');
  const options = ['-c', root, ...outside, '-u', 'nobody', '-g', 'nogroup', '-P', place.pidFile];
  const log = ['--log', place.log, '--log-format', 'json'];
  const args = ['-s', socket, '--state-dir', place.stateDir, ...log, ...options, '--', '/app', 'serve'];
  const first = await startPool(args, { cwd: place.dir });
  const worker = await onlyWorker(first);
  const { ino } = statSync(path);
  await killSupervisor(first);
  const next = await startPool(args, { cwd: place.dir });
  await waitFor('the end of the old worker', () => !isAlive(worker));
  expect(statSync(path).ino).toBe(ino);
  expect(events(place, 'taken-over')).toMatchObject([{ workerPids: [worker] }]);
  await visit({ path });
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
  expect(await ctl(place.stateDir, ['ping', path])).toMatchObject({ status: 0 });
  await next.stop();
});

test('the workers of both generations are ended when the supervisor was killed in a reload', async () => {
  const place = await makeEchoPlace();
  const first = await start(place, ['-F', '2', '--min-uptime', '50ms', '--settle', '50ms'], []);
  await fullPool(first, 2);
  const held = connect({ path: place.socket });
  atEnd(() => {
    held.destroy();
  });
  const isBusy = async (): Promise<boolean> => (await statusOf(place)).busy === 1;
  await waitFor('a worker that cannot be ended', isBusy);
  process.kill(first.pid, 'SIGHUP');
  await waitForEvents(place, 'worker-replaced');
  const workers = workersOf(first);
  await killSupervisor(first);
  expect(workers.length).toBeGreaterThan(1);
  held.destroy();
  const next = await start(place, [], []);
  await waitFor('the end of all of them', () => !workers.some((pid) => isAlive(pid)));
  await askEcho(place.target);
  await endPool(place, next);
  await expectNothingLeft(place);
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
    needCommands(ctx, 'strace');
    const other = makePlace();
    const { bystander, stop } = await startBystander(other, isOrphan);
    const place = makePlace();
    const first = await start(place);
    const worker = await onlyWorker(first);
    // Written after the command has returned.
    await waitForEvents(place, 'pool-up');
    await killSupervisor(first);
    forgeState(place, (state) => forge(bystander, state));
    const trace = join(place.dir, 'trace');
    const calls = 'trace=kill,tkill,tgkill,pidfd_open,pidfd_send_signal';
    const next = startForeground(
      ['-f', '-qq', '-o', trace, '-e', calls, oursPath, ...commandLine(place, ['-n'])],
      { cwd: place.dir, command: findCommand('strace') ?? 'strace' },
    );
    // The worker serves on where the state does not name it any more; then the start is refused.
    const isUp = await Promise.race([
      // The first supervisor may have been killed before it wrote its own.
      waitFor('the new pool', () => events(place, 'pool-up').some(({ pid }) => pid !== first.pid)).then(
        () => true,
      ),
      next.ended.then(() => false),
    ]);
    if (isUp) {
      await visit({ path: place.socket });
      await waitFor('the end of the old worker', () => !isAlive(worker));
      process.kill(readPoolState(place)?.pid ?? 0, 'SIGTERM');
      await next.ended;
    }
    const named = new RegExp(`\\((?:-?)${bystander}[,)]`);
    expect(
      readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => named.test(line)),
    ).toEqual([]);
    expect(isAlive(bystander)).toBe(true);
    await visit({ path: other.socket });
    await stop();
  });

  test('the user of its workers moves no signal', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const first = await start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const worker = await onlyWorker(first);
    await killSupervisor(first);
    forgeState(place, () => ({ workerUid: 0 }));
    const refused = await run(place);
    expect(refused).toMatchObject({ status: 255, stdout: '' });
    expect(withoutHints(refused.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    expect(hintsOf(refused.stderr).join('\n')).toContain(String(worker));
    expect(isAlive(worker)).toBe(true);
  });

  test.for(['', '{}', '{"version":1', '[]', 'null', '\0'.repeat(100)])(
    'everything (%j) is none: the address is in use',
    async (text) => {
      const place = makePlace();
      const first = await start(place);
      const worker = await onlyWorker(first);
      await killSupervisor(first);
      writeFileSync(poolFile(place, '.state'), text);
      const refused = await run(place);
      expect(refused).toMatchObject({ status: 255, stdout: '' });
      expect(hintsOf(refused.stderr).join('\n')).toContain(String(worker));
      expect(isAlive(worker)).toBe(true);
    },
  );
});

/** A worker of another pool, whose supervisor may have been killed too; `stop` ends what is left of it. */
async function startBystander(place: Place, isOrphan: boolean) {
  const pool = await start(place);
  const bystander = await onlyWorker(pool);
  if (isOrphan) await killSupervisor(pool);
  const stop = (): Promise<void> => (isOrphan ? stopProcess(bystander) : endPool(place, pool));
  return { bystander, stop };
}

function forgeState(place: Place, forge: (state: PoolState) => object): void {
  const state = readPoolState(place);
  if (!state) throw new Error('no state');
  writeFileSync(poolFile(place, '.state'), JSON.stringify({ ...state, ...forge(state) }));
}

function startTimeOf(pid: number): string {
  return String(readStat(pid)?.startTime);
}

function socketOf(pid: number): string {
  const target = readlinkSync(`/proc/${pid}/fd/0`);
  return target.slice('socket:['.length, -1);
}

/** A place that nobody may use. */
function makeNobodysPlace() {
  const place = makePlace();
  for (const path of [place.dir, place.runDir, place.app, place.report]) chownSync(path, NOBODY, NOBODY);
  return { place, asNobody: { uid: NOBODY, gid: NOBODY } };
}
