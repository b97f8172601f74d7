// A pool whose supervisor was killed, as spawn-fcgictl shows it and ends it: its workers finish their requests, nobody else
// hears of it, and what is left behind goes as at a clean end.
import {
  chownSync,
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PoolState } from '../../src/core/pool-state.ts';
import { isAlive, readOpenFiles, readStat } from '../helpers/machine/processes.ts';
import { findCommand, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { startForeground } from '../helpers/pool/command-under-test.ts';
import { ctl, ctlPath } from '../helpers/pool/ctl.ts';
import { killSupervisor, makeEchoPlace, readPoolState, type EchoPlace } from '../helpers/pool/echo-pool.ts';
import {
  endPool,
  events,
  expectNothingLeft,
  fullPool,
  makePlace,
  onlyWorker,
  poolFile,
  run,
  start,
  waitForEvents,
  waitForPids,
  type Place,
  type StartOptions,
} from '../helpers/pool/place.ts';
import { fastcgiRequest } from '../helpers/web/fastcgi-client.ts';
import { transports } from '../helpers/web/transports.ts';

/** Starts a pool and kills its supervisor; the workers serve on. */
async function leaveOrphans(
  place: Place,
  options: readonly string[],
  actions?: readonly string[],
  how: StartOptions = {},
) {
  const pool = await start(place, options, actions, how);
  const count = Number(options[options.indexOf('-F') + 1] ?? 1) || 1;
  const workers = await fullPool(pool, options.includes('-F') ? count : 1);
  // Written after the command has returned.
  await waitFor('the state', () => readPoolState(place)?.workers.length === workers.length);
  await killSupervisor(pool);
  return { pool, workers };
}

describe.for(transports)('on %s a pool whose supervisor was killed', (transport) => {
  test('is shown as dead with its orphans, and is not serving', async () => {
    const place = await makeEchoPlace(transport);
    const how = { address: place.address };
    const { pool, workers } = await leaveOrphans(place, ['-F', '2', '-P', place.pidFile], [], how);
    for (const target of [[], [place.name], [place.pidFile], [String(pool.pid)]]) {
      const shown = await ctl(place.stateDir, ['status', ...target]);
      expect(shown).toMatchObject({ status: 1, stderr: '' });
      expect(shown.stdout).toContain(
        ` on ${place.name}: dead, supervisor PID ${pool.pid} was killed, 2 workers serve on\n`,
      );
      for (const pid of workers) expect(shown.stdout).toMatch(new RegExp(`^ +\\d +${pid} .* orphan$`, 'm'));
    }
    const { stdout } = await ctl(place.stateDir, ['status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([
      { address: place.name, pid: pool.pid, phase: 'dead', pidFile: place.pidFile, queue: null },
    ]);
    const [{ workers: told }] = JSON.parse(stdout) as [{ workers: { pid: number; state: string }[] }];
    expect(told.map(({ pid, state }) => [pid, state])).toEqual(workers.map((pid) => [pid, 'orphan']));
    const pinged = await ctl(place.stateDir, ['ping', '--probe', place.name]);
    expect(pinged).toMatchObject({ status: 1, stderr: '' });
    expect(pinged.stdout).toMatch(
      new RegExp(
        `^dead: [^\n]*supervisor \\(PID ${pool.pid}\\) was killed; 2 workers serve on \\(PID ${workers.join(' ')}\\)\n$`,
      ),
    );
  });

  test('is ended by stop, when its requests are finished, and leaves nothing', async () => {
    const place = await makeEchoPlace(transport);
    const how = { address: place.address };
    const options = ['-F', '2', '-P', place.pidFile, '--worker-pid-file', join(place.runDir, 'w%i')];
    const { workers } = await leaveOrphans(place, options, [], how);
    const answer = fastcgiRequest(place.target, { REQUEST_METHOD: 'GET', QUERY_STRING: 'sleep=700' });
    await waitFor('a busy worker', () => workers.some((pid) => socketsOf(pid) > 1));
    const stopped = await ctl(place.stateDir, ['stop', place.name]);
    expect(stopped).toMatchObject({
      status: 0,
      stdout: 'stopped: ended 2 workers of a supervisor that was killed\n',
      stderr: '',
    });
    expect((await answer).stdout).toContain('GET sleep=700');
    expect(workers.filter((pid) => isAlive(pid))).toEqual([]);
    await expectNothingLeft(place);
    expect((await ctl(place.stateDir, ['stop', place.name])).status).toBe(4);
  });
});

test('what only a supervisor could do is refused, with the way out', async () => {
  const place = makePlace();
  const { workers } = await leaveOrphans(place, []);
  for (const [command, ...args] of [['reload'], ['restart'], ['scale', '3']]) {
    const asked = await ctl(place.stateDir, [command ?? '', place.socket, ...args]);
    expect({ command, ...asked }).toMatchObject({ command, status: 4, stdout: '' });
    expect(asked.stderr).toMatch(
      new RegExp(
        `^spawn-fcgictl: [^\n]*no supervisor to ${command} it; start it again [^\n]*spawn-fcgictl stop [^\n]*\n$`,
      ),
    );
  }
  expect(workers.every((pid) => isAlive(pid))).toBe(true);
});

describe('stop of it', () => {
  test('ends what its workers have started, and those that ignore TERM at --stop-timeout', async () => {
    const place = makePlace();
    const children = join(place.dir, 'children');
    const actions = ['ignore=15', `child=${children}`, `group=${children}`, 'serve'];
    await leaveOrphans(place, ['--stop-timeout', '1s'], actions);
    await waitForPids(children, 2);
    expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0, stderr: '' });
    await expectNothingLeft(place);
  });

  test('lets go on what its supervisor had stopped when it died', async () => {
    const place = makePlace();
    const { workers } = await leaveOrphans(place, []);
    const [worker = 0] = workers;
    process.kill(worker, 'SIGSTOP');
    await waitFor('the stop', () => readStat(worker)?.state === 'T');
    expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    await expectNothingLeft(place);
  });

  test('finds workers whose socket file is gone', async () => {
    const place = makePlace();
    const { workers } = await leaveOrphans(place, []);
    unlinkSync(place.socket);
    expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(workers.some((pid) => isAlive(pid))).toBe(false);
  });

  test('leaves a socket and PID files that are not its own any more', async () => {
    const place = makePlace();
    await leaveOrphans(place, ['-P', place.pidFile]);
    writeFileSync(place.pidFile, '4242\n');
    renameSync(place.socket, `${place.socket}.away`);
    writeFileSync(place.socket, 'mine');
    expect(await ctl(place.stateDir, ['stop', pidOf(place)])).toMatchObject({ status: 0 });
    expect(readFileSync(place.pidFile, 'utf8')).toBe('4242\n');
    expect(readFileSync(place.socket, 'utf8')).toBe('mine');
  });

  test('that is interrupted, or has too little time, leaves nobody stopped, and everything for the next one', async () => {
    const place = await makeEchoPlace();
    const { workers } = await leaveOrphans(place, ['--stop-timeout', '10m'], []);
    const [worker = 0] = workers;
    const request = await holdRequest(place, worker);
    expect(await ctl(place.stateDir, ['stop', '--timeout', '300ms', place.name])).toMatchObject({
      status: 6,
      stderr: expect.stringContaining(`not ended within --timeout: PID ${worker} still there`) as string,
    });
    const stop = startForeground(['--state-dir', place.stateDir, 'stop', place.name], { command: ctlPath });
    await waitFor('its hold on the pool', () => isLocked(place));
    expect(await ctl(place.stateDir, ['stop', place.name])).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('a start on its address, or another stop, is under way') as string,
    });
    process.kill(stop.pid, 'SIGTERM');
    expect((await stop.ended).status).toBe(1);
    expect(readStat(worker)?.state).not.toBe('T');
    expect(await request.release()).toContain('GET');
    expect(await ctl(place.stateDir, ['stop', place.name])).toMatchObject({ status: 0 });
    await expectNothingLeft(place);
  });

  test('keeps a start on the address waiting, which then has it for itself', async () => {
    const place = await makeEchoPlace();
    const { workers } = await leaveOrphans(place, ['--stop-timeout', '10m'], []);
    const [worker = 0] = workers;
    const request = await holdRequest(place, worker);
    const stop = ctl(place.stateDir, ['stop', place.name]);
    await waitFor('its hold on the pool', () => isLocked(place));
    // Whoever comes now is not for the old pool any more.
    await waitFor('the end of its socket file', () => !existsSync(place.socket));
    const next = start(place, ['--stop-timeout', '10m'], [], { address: place.address });
    expect(await request.release()).toContain('GET');
    expect(await stop).toMatchObject({ status: 0 });
    const { pid } = await next;
    expect(isAlive(worker)).toBe(false);
    expect((await ctl(place.stateDir, ['ping', place.name])).stdout).toContain(`PID ${pid}, `);
    await endPool(place, { pid });
    await expectNothingLeft(place);
  });

  test('is for the owner of the pool too', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    for (const path of [place.dir, place.runDir, place.app, place.report]) chownSync(path, NOBODY, NOBODY);
    const asNobody = { uid: NOBODY, gid: NOBODY };
    await leaveOrphans(place, ['-P', place.pidFile], ['serve'], asNobody);
    expect(await ctl(place.stateDir, ['stop', place.pidFile], { ...asNobody, cwd: '/' })).toMatchObject({
      status: 0,
      stderr: '',
    });
    await expectNothingLeft(place);
  });
});

describe('a state file that lies about', () => {
  test.for<{ what: string; forge: (pid: number, state: PoolState) => Partial<PoolState> }>([
    { what: 'a worker', forge: (pid) => ({ workers: [{ slot: 0, pid, startTime: startTimeOf(pid) }] }) },
    {
      what: 'one of two workers',
      forge: (pid, { workers }) => ({
        workers: [{ slot: 1, pid, startTime: startTimeOf(pid) }, ...workers],
      }),
    },
    { what: 'a start time', forge: (pid) => ({ workers: [{ slot: 0, pid, startTime: '1' }] }) },
    {
      what: 'the address',
      forge: (pid) => ({
        address: '/nowhere.sock',
        sockets: [],
        workers: [{ slot: 0, pid, startTime: startTimeOf(pid) }],
      }),
    },
  ])('$what moves no signal', async ({ forge }, ctx) => {
    needCommands(ctx, 'strace');
    const other = makePlace();
    const bystanders = await start(other);
    const bystander = await onlyWorker(bystanders);
    const place = makePlace();
    const { pool } = await leaveOrphans(place, []);
    forgeState(place, (state) => forge(bystander, state));
    const trace = join(place.dir, 'trace');
    const calls = 'trace=kill,tkill,tgkill,pidfd_open,pidfd_send_signal';
    const stop = startForeground(
      [
        '-f',
        '-qq',
        '-o',
        trace,
        '-e',
        calls,
        ctlPath,
        '--state-dir',
        place.stateDir,
        'stop',
        String(pool.pid),
      ],
      { command: findCommand('strace') ?? 'strace' },
    );
    await stop.ended;
    const named = new RegExp(`\\((?:-?)${bystander}[,)]`);
    expect(
      readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => named.test(line)),
    ).toEqual([]);
    expect(isAlive(bystander)).toBe(true);
    expect(events(other, 'worker-ended')).toEqual([]);
    await endPool(other, bystanders);
  });
});

describe('of pools that are over', () => {
  test('files that a pool without privileges could not remove are no pool, for anybody', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const pool = await start(place, ['-u', 'nobody', '-g', 'nogroup']);
    await waitForEvents(place, 'pool-up');
    const asNobody = { uid: NOBODY, gid: NOBODY, cwd: '/' };
    expect(await ctl(place.stateDir, ['status'], asNobody)).toMatchObject({
      stderr: 'spawn-fcgictl: not shown: 1 of other users\n',
    });
    expect((await ctl(place.stateDir, ['ping', place.socket], asNobody)).status).toBe(5);
    await endPool(place, pool);
    expect(readdirSync(place.stateDir).some((name) => name.endsWith('.state'))).toBe(true);
    for (const as of [{}, asNobody]) {
      expect(await ctl(place.stateDir, ['status'], as)).toMatchObject({ stdout: 'no pools\n', stderr: '' });
      const asked = await ctl(place.stateDir, ['ping', place.socket], as);
      expect(asked.status).toBe(4);
      expect(asked.stderr).toMatch(/^spawn-fcgictl: no such pool: /);
    }
  });

  test('a killed supervisor with all its workers is no pool', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const { workers } = await leaveOrphans(place, []);
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    await waitFor('their end', () => !workers.some((pid) => isAlive(pid)));
    for (const as of [{}, { uid: NOBODY, gid: NOBODY, cwd: '/' }]) {
      expect(await ctl(place.stateDir, ['status'], as)).toMatchObject({ stdout: 'no pools\n', stderr: '' });
      expect((await ctl(place.stateDir, ['stop', place.socket], as)).status).toBe(4);
    }
    const next = await run(place);
    expect(next.status).toBe(0);
    expect(existsSync(place.socket)).toBe(true);
  });
});

/** A request that the worker works on until it is released; the result of that is the answer. */
async function holdRequest({ dir, target }: EchoPlace, worker: number) {
  const fifo = join(dir, 'hold');
  await runCommand('mkfifo', [fifo]);
  const answer = fastcgiRequest(target, { REQUEST_METHOD: 'GET', QUERY_STRING: `hold=${fifo}` }, '', {
    timeoutMs: 60_000,
  });
  await waitFor('a busy worker', () => socketsOf(worker) > 1);
  return {
    async release(): Promise<string> {
      await writeFile(fifo, '');
      return (await answer).stdout;
    },
  };
}

/** Looked at, and not tried: that would take it away. */
function isLocked(place: Place): boolean {
  const { ino } = statSync(poolFile(place, '.lock'));
  return new RegExp(`FLOCK.*:${ino} `).test(readFileSync('/proc/locks', 'utf8'));
}

function pidOf(place: Place): string {
  return String(readPoolState(place)?.pid);
}

function startTimeOf(pid: number): string {
  return String(readStat(pid)?.startTime);
}

/** Sockets that the process has open: the listening one, and connections. */
function socketsOf(pid: number): number {
  return readOpenFiles(pid).filter(({ target }) => target.startsWith('socket:')).length;
}

function forgeState(place: Place, forge: (state: PoolState) => Partial<PoolState>): void {
  const state = readPoolState(place);
  if (!state) throw new Error('no state');
  writeFileSync(poolFile(place, '.state'), JSON.stringify({ ...state, ...forge(state) }));
}
