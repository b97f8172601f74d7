// A pool whose supervisor was killed, as spawn-fcgictl shows it and ends it: its workers finish their requests, nobody else
// hears of it, and what is left behind goes as at a clean end.
import * as fs from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PoolState } from '../../src/core/pool-state.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { fastcgiRequest, transports } from '../helpers/web/index.ts';

/** Starts a pool and kills its supervisor; the workers serve on. */
async function leaveOrphans(
  place: pools.Place,
  options: readonly string[],
  actions?: readonly string[],
  how: pools.StartOptions = {},
) {
  const pool = await pools.start(place, options, actions, how);
  const count = Number(options[options.indexOf('-F') + 1] ?? 1) || 1;
  const workers = await pools.fullPool(pool, options.includes('-F') ? count : 1);
  // Written after the command has returned.
  await machine.waitFor('the state', () => pools.readPoolState(place)?.workers.length === workers.length);
  await pools.killSupervisor(pool);
  return { pool, workers };
}

describe.for(transports)('on %s a pool whose supervisor was killed', (transport) => {
  test('is shown as dead with its orphans, and is not serving', async () => {
    const place = await pools.makeEchoPlace(transport);
    const how = { address: place.address };
    const { pool, workers } = await leaveOrphans(place, ['-F', '2', '-P', place.pidFile], [], how);
    for (const target of [[], [place.name], [place.pidFile], [String(pool.pid)]]) {
      const shown = await pools.ctl(place.stateDir, ['status', ...target]);
      expect(shown).toMatchObject({ status: 1, stderr: '' });
      expect(shown.stdout).toContain(
        ` on ${place.name}: dead, supervisor PID ${pool.pid} was killed, 2 workers serve on\n`,
      );
      for (const pid of workers) expect(shown.stdout).toMatch(new RegExp(`^ +\\d +${pid} .* orphan$`, 'm'));
    }
    const { stdout } = await pools.ctl(place.stateDir, ['status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([
      { address: place.name, pid: pool.pid, phase: 'dead', pidFile: place.pidFile, queue: null },
    ]);
    const [{ workers: told }] = JSON.parse(stdout) as [{ workers: { pid: number; state: string }[] }];
    expect(told.map(({ pid, state }) => [pid, state])).toEqual(workers.map((pid) => [pid, 'orphan']));
    const pinged = await pools.ctl(place.stateDir, ['ping', '--probe', place.name]);
    expect(pinged).toMatchObject({ status: 1, stderr: '' });
    expect(pinged.stdout).toMatch(
      new RegExp(
        `^dead: [^\n]*supervisor \\(PID ${pool.pid}\\) was killed; 2 workers serve on \\(PID ${workers.join(' ')}\\)\n$`,
      ),
    );
  });

  test('is ended by stop, when its requests are finished, and leaves nothing', async () => {
    const place = await pools.makeEchoPlace(transport);
    const how = { address: place.address };
    const options = ['-F', '2', '-P', place.pidFile, '--worker-pid-file', join(place.runDir, 'w%i')];
    const { workers } = await leaveOrphans(place, options, [], how);
    const answer = fastcgiRequest(place.target, { REQUEST_METHOD: 'GET', QUERY_STRING: 'sleep=700' });
    await machine.waitFor('a busy worker', () => workers.some((pid) => socketsOf(pid) > 1));
    const stopped = await pools.ctl(place.stateDir, ['stop', place.name]);
    expect(stopped).toMatchObject({
      status: 0,
      stdout: 'stopped: ended 2 workers of a supervisor that was killed\n',
      stderr: '',
    });
    expect((await answer).stdout).toContain('GET sleep=700');
    expect(workers.filter((pid) => machine.isAlive(pid))).toEqual([]);
    await pools.expectNothingLeft(place);
    expect((await pools.ctl(place.stateDir, ['stop', place.name])).status).toBe(4);
  });
});

test('what only a supervisor could do is refused, with the way out', async () => {
  const place = pools.makePlace();
  const { workers } = await leaveOrphans(place, []);
  for (const [command, ...args] of [['reload'], ['restart'], ['scale', '3']]) {
    const asked = await pools.ctl(place.stateDir, [command ?? '', place.socket, ...args]);
    expect({ command, ...asked }).toMatchObject({ command, status: 4, stdout: '' });
    expect(asked.stderr).toMatch(
      new RegExp(
        `^spawn-fcgictl: [^\n]*no supervisor to ${command} it; start it again [^\n]*spawn-fcgictl stop [^\n]*\n$`,
      ),
    );
  }
  expect(workers.every((pid) => machine.isAlive(pid))).toBe(true);
});

describe('stop of it', () => {
  test('ends what its workers have started, and those that ignore TERM at --stop-timeout', async () => {
    const place = pools.makePlace();
    const children = join(place.dir, 'children');
    const actions = ['ignore=15', `child=${children}`, `group=${children}`, 'serve'];
    await leaveOrphans(place, ['--stop-timeout', '1s'], actions);
    await pools.waitForPids(children, 2);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0, stderr: '' });
    await pools.expectNothingLeft(place);
  });

  test('lets go on what its supervisor had stopped when it died', async () => {
    const place = pools.makePlace();
    const { workers } = await leaveOrphans(place, []);
    const [worker = 0] = workers;
    process.kill(worker, 'SIGSTOP');
    await machine.waitFor('the stop', () => machine.readStat(worker)?.state === 'T');
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
  });

  test('finds workers whose socket file is gone', async () => {
    const place = pools.makePlace();
    const { workers } = await leaveOrphans(place, []);
    fs.unlinkSync(place.socket);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(workers.some((pid) => machine.isAlive(pid))).toBe(false);
  });

  test('leaves a socket and PID files that are not its own any more', async () => {
    const place = pools.makePlace();
    await leaveOrphans(place, ['-P', place.pidFile]);
    fs.writeFileSync(place.pidFile, '4242\n');
    fs.renameSync(place.socket, `${place.socket}.away`);
    fs.writeFileSync(place.socket, 'mine');
    expect(await pools.ctl(place.stateDir, ['stop', pidOf(place)])).toMatchObject({ status: 0 });
    expect(fs.readFileSync(place.pidFile, 'utf8')).toBe('4242\n');
    expect(fs.readFileSync(place.socket, 'utf8')).toBe('mine');
  });

  test('that is interrupted, or has too little time, leaves nobody stopped, and everything for the next one', async () => {
    const place = await pools.makeEchoPlace();
    const { workers } = await leaveOrphans(place, ['--stop-timeout', '10m'], []);
    const [worker = 0] = workers;
    const request = await holdRequest(place, worker);
    expect(await pools.ctl(place.stateDir, ['stop', '--timeout', '300ms', place.name])).toMatchObject({
      status: 6,
      stderr: expect.stringContaining(`not ended within --timeout: PID ${worker} still there`) as string,
    });
    const stop = pools.startForeground(['--state-dir', place.stateDir, 'stop', place.name], {
      command: pools.ctlPath,
    });
    await machine.waitFor('its hold on the pool', () => isLocked(place));
    expect(await pools.ctl(place.stateDir, ['stop', place.name])).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('a start on its address, or another stop, is under way') as string,
    });
    process.kill(stop.pid, 'SIGTERM');
    expect((await stop.ended).status).toBe(1);
    expect(machine.readStat(worker)?.state).not.toBe('T');
    expect(await request.release()).toContain('GET');
    expect(await pools.ctl(place.stateDir, ['stop', place.name])).toMatchObject({ status: 0 });
    await pools.expectNothingLeft(place);
  });

  test('keeps a start on the address waiting, which then has it for itself', async () => {
    const place = await pools.makeEchoPlace();
    const { workers } = await leaveOrphans(place, ['--stop-timeout', '10m'], []);
    const [worker = 0] = workers;
    const request = await holdRequest(place, worker);
    const stop = pools.ctl(place.stateDir, ['stop', place.name]);
    await machine.waitFor('its hold on the pool', () => isLocked(place));
    // Whoever comes now is not for the old pool any more.
    await machine.waitFor('the end of its socket file', () => !fs.existsSync(place.socket));
    const next = pools.start(place, ['--stop-timeout', '10m'], [], { address: place.address });
    expect(await request.release()).toContain('GET');
    expect(await stop).toMatchObject({ status: 0 });
    const { pid } = await next;
    expect(machine.isAlive(worker)).toBe(false);
    expect((await pools.ctl(place.stateDir, ['ping', place.name])).stdout).toContain(`PID ${pid}, `);
    await pools.endPool(place, { pid });
    await pools.expectNothingLeft(place);
  });

  test('is for the owner of the pool too', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    for (const path of [place.dir, place.runDir, place.app, place.report])
      fs.chownSync(path, machine.NOBODY, machine.NOBODY);
    const asNobody = { uid: machine.NOBODY, gid: machine.NOBODY };
    await leaveOrphans(place, ['-P', place.pidFile], ['serve'], asNobody);
    expect(await pools.ctl(place.stateDir, ['stop', place.pidFile], { ...asNobody, cwd: '/' })).toMatchObject(
      {
        status: 0,
        stderr: '',
      },
    );
    await pools.expectNothingLeft(place);
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
    machine.needCommands(ctx, 'strace');
    const other = pools.makePlace();
    const bystanders = await pools.start(other);
    const bystander = await pools.onlyWorker(bystanders);
    const place = pools.makePlace();
    const { pool } = await leaveOrphans(place, []);
    forgeState(place, (state) => forge(bystander, state));
    const trace = join(place.dir, 'trace');
    const calls = 'trace=kill,tkill,tgkill,pidfd_open,pidfd_send_signal';
    const stop = pools.startForeground(
      [
        '-f',
        '-qq',
        '-o',
        trace,
        '-e',
        calls,
        pools.ctlPath,
        '--state-dir',
        place.stateDir,
        'stop',
        String(pool.pid),
      ],
      { command: machine.findCommand('strace') ?? 'strace' },
    );
    await stop.ended;
    const named = new RegExp(`\\((?:-?)${bystander}[,)]`);
    expect(
      fs
        .readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => named.test(line)),
    ).toEqual([]);
    expect(machine.isAlive(bystander)).toBe(true);
    expect(pools.events(other, 'worker-ended')).toEqual([]);
    await pools.endPool(other, bystanders);
  });
});

describe('of pools that are over', () => {
  test('files that a pool without privileges could not remove are no pool, for anybody', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    await pools.waitForEvents(place, 'pool-up');
    const asNobody = { uid: machine.NOBODY, gid: machine.NOBODY, cwd: '/' };
    expect(await pools.ctl(place.stateDir, ['status'], asNobody)).toMatchObject({
      stderr: 'spawn-fcgictl: not shown: 1 of other users\n',
    });
    expect((await pools.ctl(place.stateDir, ['ping', place.socket], asNobody)).status).toBe(5);
    await pools.endPool(place, pool);
    expect(fs.readdirSync(place.stateDir).some((name) => name.endsWith('.state'))).toBe(true);
    for (const as of [{}, asNobody]) {
      expect(await pools.ctl(place.stateDir, ['status'], as)).toMatchObject({
        stdout: 'no pools\n',
        stderr: '',
      });
      const asked = await pools.ctl(place.stateDir, ['ping', place.socket], as);
      expect(asked.status).toBe(4);
      expect(asked.stderr).toMatch(/^spawn-fcgictl: no such pool: /);
    }
  });

  test('a killed supervisor with all its workers is no pool', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const { workers } = await leaveOrphans(place, []);
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    await machine.waitFor('their end', () => !workers.some((pid) => machine.isAlive(pid)));
    for (const as of [{}, { uid: machine.NOBODY, gid: machine.NOBODY, cwd: '/' }]) {
      expect(await pools.ctl(place.stateDir, ['status'], as)).toMatchObject({
        stdout: 'no pools\n',
        stderr: '',
      });
      expect((await pools.ctl(place.stateDir, ['stop', place.socket], as)).status).toBe(4);
    }
    const next = await pools.run(place);
    expect(next.status).toBe(0);
    expect(fs.existsSync(place.socket)).toBe(true);
  });
});

/** A request that the worker works on until it is released; the result of that is the answer. */
async function holdRequest({ dir, target }: pools.EchoPlace, worker: number) {
  const fifo = join(dir, 'hold');
  await machine.runCommand('mkfifo', [fifo]);
  const answer = fastcgiRequest(target, { REQUEST_METHOD: 'GET', QUERY_STRING: `hold=${fifo}` }, '', {
    timeoutMs: 60_000,
  });
  await machine.waitFor('a busy worker', () => socketsOf(worker) > 1);
  return {
    async release(): Promise<string> {
      await writeFile(fifo, '');
      return (await answer).stdout;
    },
  };
}

/** Looked at, and not tried: that would take it away. */
function isLocked(place: pools.Place): boolean {
  const { ino } = fs.statSync(pools.poolFile(place, '.lock'));
  return new RegExp(`FLOCK.*:${ino} `).test(fs.readFileSync('/proc/locks', 'utf8'));
}

function pidOf(place: pools.Place): string {
  return String(pools.readPoolState(place)?.pid);
}

function startTimeOf(pid: number): string {
  return String(machine.readStat(pid)?.startTime);
}

/** Sockets that the process has open: the listening one, and connections. */
function socketsOf(pid: number): number {
  return machine.readOpenFiles(pid).filter(({ target }) => target.startsWith('socket:')).length;
}

function forgeState(place: pools.Place, forge: (state: PoolState) => Partial<PoolState>): void {
  const state = pools.readPoolState(place);
  if (!state) throw new Error('no state');
  fs.writeFileSync(pools.poolFile(place, '.state'), JSON.stringify({ ...state, ...forge(state) }));
}
