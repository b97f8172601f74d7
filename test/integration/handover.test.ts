// --replace: a running pool is taken over with new options and a new program, and what becomes of it when one of the two
// supervisors fails on the way (docs/internals/handover.md).
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho, holdEcho, startRequests, transports } from '../helpers/web/index.ts';

describe.for(transports)('--replace on %s', (transport) => {
  test('three times under load, with other options and another program: nothing is refused, nothing lost', async () => {
    const place = await pools.makeEchoPlace(transport);
    const { address, releases, target } = place;
    const pattern = join(place.runDir, 'w-%i.pid');
    const optionsFor = (name: string, workers: number): string[] => [
      '-P',
      place.pidFile,
      '--worker-pid-file',
      pattern,
      '-F',
      String(workers),
      '--name',
      name,
    ];
    let pool = await pools.start(place, optionsFor('first', 2), [], { address });
    await pools.fullPool(pool, 2);
    const load = startRequests(target);
    for (const [round, workers] of [3, 2, 4].entries()) {
      const old = { ...pool, workers: pools.workersOf(pool) };
      const release = String(round + 2);
      releases.make(release);
      releases.switchTo(release);
      pool = await pools.start(place, ['--replace', ...optionsFor(`take-${release}`, workers)], [], {
        address,
      });
      await expectInService(place, pool, { workers, pattern });
      expect(machine.readProcess(pool.pid)?.comm).toBe(`take-${release}`);
      await machine.waitFor('an answer of the new release', () => load.tally.releases.has(release));
      await expectGone(old);
    }
    const tally = await load.stop();
    expect(tally.lost).toEqual([]);
    expect(tally.answered).toBe(tally.sent);
    expect([...tally.releases.keys()].sort()).toEqual(['1', '2', '3', '4']);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('a request in flight is answered by the old worker', async () => {
    const place = await pools.makeEchoPlace(transport);
    const { address, target } = place;
    const old = await pools.start(place, ['--stop-timeout', '10m'], [], { address });
    const { worker, reply, release } = await holdEcho(place);
    const pool = await pools.start(place, ['--replace'], [], { address });
    expect(machine.isAlive(worker)).toBe(true);
    release();
    expect(await reply).toMatchObject({ pid: worker });
    await expectGone({ pid: old.pid, workers: [worker] });
    expect((await askEcho(target)).pid).toBe(await pools.onlyWorker(pool));
  });
});

describe('what the new command says about the files counts', () => {
  test('another PID file: the old one is removed, and so are worker PID files that are not used any more', async () => {
    const place = pools.makePlace();
    const other = { ...place, pidFile: join(place.runDir, 'other.pid') };
    const old = await pools.start(place, [
      '-P',
      place.pidFile,
      '--worker-pid-file',
      join(place.runDir, 'old.pid'),
    ]);
    const pool = await pools.start(place, ['--replace', '-P', other.pidFile]);
    await expectGone(old);
    expect(readFileSync(other.pidFile, 'utf8')).toBe(String(pool.pid));
    expect(pools.filesOf(place).filter((name) => name.endsWith('.pid'))).toEqual(['run/other.pid']);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('without a PID file, and back to one', async () => {
    const place = pools.makePlace();
    const first = await pools.start(place, ['-P', place.pidFile]);
    const second = await pools.start(place, ['--replace']);
    await expectGone(first);
    expect(pools.filesOf(place).filter((name) => name.endsWith('.pid'))).toEqual([]);
    const third = await pools.start(place, ['--replace', '-P', place.pidFile]);
    await expectGone(second);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(third.pid));
  });

  test.for([
    ['without -u', []],
    ['with -u', ['-u', 'nobody', '-g', 'nogroup']],
  ] as const)('mode, owner and backlog as root %s', async ([, user], ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const old = await pools.start(place, [...user, '-M', '0600', '-b', '5']);
    expect(await queueOf(place)).toMatchObject({ backlog: 5 });
    const pool = await pools.start(place, [
      '--replace',
      ...user,
      '-M',
      '0666',
      '-U',
      'daemon',
      '-G',
      'daemon',
      '-b',
      '77',
    ]);
    await expectGone(old);
    const { mode, uid, gid } = statSync(place.socket);
    expect({ mode: mode & 0o7777, uid, gid }).toEqual({ mode: 0o666, uid: 1, gid: 1 });
    expect(await queueOf(place)).toMatchObject({ backlog: 77 });
    // What is not given is what a plain start would set.
    const third = await pools.start(place, ['--replace', ...user]);
    await expectGone(pool);
    const after = statSync(place.socket);
    const owner = user.length > 0 ? machine.NOBODY : 0;
    expect({ mode: after.mode & 0o7777, uid: after.uid, gid: after.gid }).toEqual({
      mode: 0o660 & ~process.umask(),
      uid: owner,
      gid: owner,
    });
    expect(await queueOf(place)).toMatchObject({ backlog: 1024 });
    await pools.endPool(place, third);
    // The user of the pool may not remove what is in directories of root.
    if (user.length === 0) await pools.expectNothingLeft(place);
  });

  test('mode and backlog as an ordinary user', async (ctx) => {
    machine.needRoot(ctx);
    const { place, asNobody } = await makeNobodysPlace();
    const old = await pools.start(place, ['-M', '0600'], ['serve'], asNobody);
    const pool = await pools.start(
      place,
      ['--replace', '-M', '0666', '-b', '9', '-P', place.pidFile],
      ['serve'],
      asNobody,
    );
    await expectGone(old);
    const { mode, uid } = statSync(place.socket);
    expect({ mode: mode & 0o7777, uid }).toEqual({ mode: 0o666, uid: machine.NOBODY });
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
    const status = await pools.ctl(place.stateDir, ['status', '--json', place.socket], asNobody);
    expect(JSON.parse(status.stdout)).toMatchObject([{ queue: { backlog: 9 } }]);
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('another user for the workers, from root to nobody and back', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const old = await pools.start(place);
    const second = await pools.start(place, ['--replace', '-u', 'nobody', '-g', 'nogroup']);
    await expectGone(old);
    expect(machine.readProcess(await pools.onlyWorker(second))?.status['Uid']).toMatch(/^65534\t65534/);
    await pools.visit({ path: place.socket });
    const third = await pools.start(place, ['--replace']);
    await expectGone(second);
    expect(machine.readProcess(await pools.onlyWorker(third))?.status['Uid']).toMatch(/^0\t0/);
    await pools.endPool(place, third);
    await pools.expectNothingLeft(place);
  });

  test('the lock stays held from one supervisor to the next, and a plain start is refused all the time', async () => {
    const place = pools.makePlace();
    const old = await pools.start(place);
    const replaced = pools.run(place, ['--replace'], ['pause=300', 'serve']);
    await pools.waitForEvents(place, 'handover-started');
    const plain = await pools.run(place);
    expect(pools.withoutHints(plain.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    expect((await replaced).status).toBe(0);
    await expectGone(old);
    expect(await pools.isLocked(place)).toBe(true);
    expect((await pools.run(place)).status).toBe(255);
  });
});

describe('a new side that fails leaves the old pool as it was:', () => {
  interface Failing {
    what: string;
    options?: string[];
    actions?: string[];
    app?: string;
    status: number;
    says: RegExp;
  }

  const failing: Failing[] = [
    { what: 'its program is missing', app: '/nowhere/app', status: 2, says: /child exited with: 2/ },
    {
      what: 'its program may not be executed',
      app: '/etc/passwd',
      status: 13,
      says: /child exited with: 13/,
    },
    { what: 'its workers exit at once', actions: ['exit=3'], status: 3, says: /child exited with: 3/ },
    { what: 'its workers are killed', actions: ['raise=9'], status: 1, says: /child signaled: 9/ },
    {
      what: 'one of its workers exits at once',
      options: ['-F', '3'],
      actions: ['once=FLAG', 'exit=4', 'serve'],
      status: 4,
      says: /child exited with: 4/,
    },
    {
      what: 'its workers die before they wait for connections',
      actions: ['pause=300', 'exit=5'],
      status: 5,
      says: /child exited with: 5/,
    },
    {
      what: 'its workers die 0.7 s after they began to wait for connections',
      actions: ['alarm=700', 'serve'],
      status: 1,
      says: /child signaled: 14/,
    },
    {
      what: 'its workers are never ready',
      options: ['--ready-timeout', '300ms'],
      actions: ['hang'],
      status: 75,
      says: /not ready within --ready-timeout/,
    },
    {
      what: 'its workers do not answer the probe',
      options: ['--ready', 'probe', '--ready-timeout', '5s'],
      status: 75,
      says: /--ready probe: /,
    },
    { what: 'its PID file cannot be made', options: ['-P', '/nowhere/pid'], status: 255, says: /PID-file/ },
    { what: 'an unknown user', options: ['-u', 'no-such-user'], status: 255, says: /find user/ },
    {
      what: 'an unknown owner of the socket',
      options: ['-U', 'no-such-user'],
      status: 255,
      says: /find user/,
    },
    {
      what: 'a chroot that is not there',
      options: ['-c', '/nowhere', '-P', '/dev/null'],
      status: 255,
      says: /PID-file|chroot/,
    },
    { what: 'a directory that is not there', options: ['-d', '/nowhere'], status: 255, says: /chdir/ },
  ];

  test.for(failing)('$what', async ({ options = [], actions = ['serve'], app, status, says }, ctx) => {
    machine.needRoot(ctx);
    const { place, old, before } = await makeGuardedPool();
    const other = app === undefined ? place : { ...place, app };
    const result = await pools.run(
      other,
      ['--replace', '-M', '0666', '-U', 'daemon', '-P', place.pidFile, ...options],
      actions.map((action) => action.replace('FLAG', join(place.dir, 'flag'))),
    );
    expect(result).toMatchObject({ status, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toMatch(says);
    await expectAsBefore(place, old, before);
  });

  // Each with the moment in which the new supervisor is killed.
  const moments = [
    ['when it has the descriptors', ['pause=60000']],
    ['by its first worker', ['kill-parent=9', 'serve']],
  ] as const;

  test.for(moments)('its supervisor is killed %s', async ([, actions], ctx) => {
    machine.needRoot(ctx);
    const { place, old, before } = await makeGuardedPool();
    const running = pools.run(place, ['--replace', '-M', '0666', '-P', place.pidFile, '-F', '2'], actions);
    if (actions[0] === 'pause=60000') {
      const [begun] = await pools.waitForEvents(place, 'handover-started');
      await pools.waitForStarts(place, 4);
      process.kill(Number(begun?.['to']), 'SIGKILL');
    }
    expect((await running).status).not.toBe(0);
    await pools.waitForEvents(place, 'handover-failed');
    await expectAsBefore(place, old, before);
  });

  // System calls of the new supervisor between the last moment in which the old one serves alone and its "done".
  test.for([
    ['applies the backlog', 'listen', 1],
    ['writes the PID file', 'ftruncate', 1],
    ['writes the state file', 'pwrite64', 2],
  ] as const)('its supervisor is killed as it %s', async ([, call, when], ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'strace');
    const { place, old, before } = await makeGuardedPool();
    const inject = `${call}:signal=SIGKILL:when=${when}`;
    const args = pools.commandLine(place, ['-n', '--replace', '-M', '0666', '-b', '7', '-P', place.pidFile]);
    const trace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${inject}`];
    const killed = await machine.runCommand('strace', [...trace, pools.oursPath, ...args], {
      cwd: place.dir,
    });
    expect(killed.status).not.toBe(0);
    await pools.waitForEvents(place, 'handover-failed');
    await expectAsBefore(place, old, before);
  });

  test.for(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('%s to its command', async (signal, ctx) => {
    machine.needRoot(ctx);
    const { place, old, before } = await makeGuardedPool();
    const running = startCommand(place, ['--replace', '-M', '0666', '-P', place.pidFile], ['pause=60000']);
    await pools.waitForEvents(place, 'handover-started');
    await pools.waitForStarts(place, 3);
    process.kill(running.pid, signal);
    expect((await running.ended).signal).toBe(signal);
    await pools.waitForEvents(place, 'handover-failed');
    await expectAsBefore(place, old, before);
  });

  test('the next --replace after a failure works', async () => {
    const place = pools.makePlace();
    const old = await pools.start(place, ['-P', place.pidFile]);
    expect((await pools.run(place, ['--replace'], ['exit=3'])).status).toBe(3);
    const pool = await pools.start(place, ['--replace', '-P', place.pidFile]);
    await expectGone(old);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
  });

  test('a descriptor is not left open in the old supervisor', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const old = await pools.start(place);
    const open = (): number => machine.readProcess(old.pid)?.fds.length ?? 0;
    expect((await pools.run(place, ['--replace'], ['exit=3'])).status).toBe(3);
    await pools.waitForEvents(place, 'handover-failed', 1);
    const before = await machine.waitFor('the first count', open);
    for (const round of [2, 3, 4]) {
      expect((await pools.run(place, ['--replace'], ['exit=3'])).status).toBe(3);
      await pools.waitForEvents(place, 'handover-failed', round);
    }
    await machine.waitFor('no more descriptors than after the first', () => open() <= before);
  });
});

describe('signals to the old supervisor during the handover:', () => {
  test('TERM ends both', async () => {
    const place = pools.makePlace();
    const old = await pools.start(place, ['-P', place.pidFile]);
    const replaced = pools.run(place, ['--replace', '-P', place.pidFile], ['pause=60000']);
    await pools.waitForEvents(place, 'handover-started');
    await pools.waitForStarts(place, 2);
    process.kill(old.pid, 'SIGTERM');
    const result = await replaced;
    expect(result).toMatchObject({ status: 255, stdout: '', timedOut: false });
    expect(result.stderr).toContain('the pool was told to stop');
    await pools.expectNothingLeft(place);
  });

  test('spawn-fcgictl stop ends both', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['-P', place.pidFile]);
    const replaced = pools.run(place, ['--replace', '-P', place.pidFile], ['pause=60000']);
    await pools.waitForEvents(place, 'handover-started');
    await pools.waitForStarts(place, 2);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect((await replaced).status).toBe(255);
    await pools.expectNothingLeft(place);
  });

  test('HUP is carried out by the new one', async () => {
    const place = pools.makePlace();
    const old = await pools.start(place);
    const late = makeLate(place);
    const replaced = pools.start({ ...place, app: late.app }, ['--replace', '--settle', '50ms']);
    await pools.waitForEvents(place, 'handover-started');
    process.kill(old.pid, 'SIGHUP');
    late.goOn();
    const pool = await replaced;
    await pools.waitForEvents(place, 'reload-finished');
    expect(pools.events(place, 'reload-started')).toHaveLength(1);
    expect(await generationOf(place)).toEqual({ pid: pool.pid, generation: 2 });
    await expectGone(old);
  });

  test('a reload that is asked for by spawn-fcgictl during the handover is refused as busy or carried out', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['--ready-timeout', '1s']);
    const late = makeLate(place);
    const replaced = pools.run({ ...place, app: late.app }, ['--replace']);
    await pools.waitForEvents(place, 'handover-started');
    const reload = await pools.ctl(place.stateDir, ['reload', place.socket]);
    expect(reload.status).toBe(6);
    expect(reload.stderr).toMatch(/^spawn-fcgictl: busy: handover since \d+ s\n$/);
    late.goOn();
    expect((await replaced).status).toBe(0);
  });

  test('scaling is not carried out by the pool that goes, and a worker that dies is replaced', async () => {
    const place = pools.makePlace();
    const old = await pools.start(place);
    const worker = await pools.onlyWorker(old);
    const late = makeLate(place);
    const replaced = pools.run({ ...place, app: late.app }, ['--replace']);
    await pools.waitForEvents(place, 'handover-started');
    process.kill(old.pid, 'SIGTTIN');
    process.kill(worker, 'SIGKILL');
    await pools.onlyWorker(old, [worker]);
    await pools.visit({ path: place.socket });
    expect(pools.workersOf(old)).toHaveLength(1);
    late.goOn();
    expect((await replaced).status).toBe(0);
    await expectGone(old);
  });
});

test('the old supervisor is killed during the handover: the new one takes all of it', async () => {
  const place = await pools.makeEchoPlace();
  const old = await pools.start(place, ['-F', '2', '-P', place.pidFile], []);
  const workers = await pools.fullPool(old, 2);
  const load = startRequests(place.target);
  const late = makeLate(place);
  const replaced = pools.run({ ...place, app: late.app }, ['--replace', '-F', '2', '-P', place.pidFile], []);
  await pools.waitForEvents(place, 'handover-started');
  await pools.killSupervisor(old);
  late.goOn();
  const result = await replaced;
  expect(result).toMatchObject({ status: 0 });
  await machine.waitFor('the end of the old workers', () => workers.every((pid) => !machine.isAlive(pid)));
  const tally = await load.stop();
  expect(tally.lost).toEqual([]);
  const state = pools.readPoolState(place);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(state?.pid));
  expect(await pools.ctl(place.stateDir, ['ping', place.socket])).toMatchObject({ status: 0 });
  await pools.endPool(place, { pid: state?.pid ?? 0 });
  await pools.expectNothingLeft(place);
});

test('--replace without a running pool is a plain start', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['--replace', '-P', place.pidFile]);
  await pools.visit({ path: place.socket });
  expect(pools.events(place, 'taken-over')).toEqual([]);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test('--replace of a pool that is stopping waits for its end and is a plain start', async () => {
  const place = pools.makePlace();
  const old = await pools.start(place, [], ['slow-end=500', 'serve']);
  process.kill(old.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  const pool = await pools.start(place, ['--replace']);
  // Its lock is free, its process not gone yet.
  await machine.waitFor('the end of the old one', () => !machine.isAlive(old.pid));
  await pools.visit({ path: place.socket });
  await pools.endPool(place, pool);
});

test('a pool on another address is another pool', async () => {
  const place = pools.makePlace();
  const other = { ...place, socket: join(place.runDir, 'other.sock') };
  const first = await pools.start(place, ['-P', place.pidFile]);
  await pools.start(other, ['--replace']);
  expect(machine.isAlive(first.pid)).toBe(true);
  expect(pools.events(place, 'handover-started')).toEqual([]);
  await pools.visit({ path: place.socket });
  await pools.visit({ path: other.socket });
  const stolen = await pools.run(other, ['--replace', '-P', place.pidFile]);
  expect(stolen.status).toBe(255);
  expect(pools.withoutHints(stolen.stderr)).toContain(`belongs to a running pool (PID ${first.pid})`);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(first.pid));
});

describe('--replace while a reload is under way', () => {
  test('waits for its end', async () => {
    const place = await pools.makeEchoPlace();
    const old = await pools.start(place, ['--settle', '50ms'], []);
    const held = await holdConnection(place);
    process.kill(old.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'worker-replaced');
    const replaced = pools.start(place, ['--replace'], []);
    await machine.waitFor('the new start', () => pools.events(place, 'handover-started').length === 0);
    held.destroy();
    const pool = await replaced;
    const names = pools.events(place).map(({ event }) => event);
    expect(names.indexOf('reload-finished')).toBeLessThan(names.indexOf('handover-started'));
    await expectGone(old);
    expect(await generationOf(place)).toEqual({ pid: pool.pid, generation: 1 });
  });

  test('is refused after --ready-timeout, and says since when', async () => {
    const place = await pools.makeEchoPlace();
    const old = await pools.start(place, ['--settle', '50ms', '--ready-timeout', '2s'], []);
    await holdConnection(place);
    process.kill(old.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'worker-replaced');
    const refused = await pools.run(place, ['--replace', '--ready-timeout', '2s'], []);
    expect(refused).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(refused.stderr)).toMatch(
      /^spawn-fcgi: cannot take over the pool on .*: busy: reload since \d+ s$/,
    );
    expect(machine.isAlive(old.pid)).toBe(true);
  });
});

test('an old supervisor that hangs is told in one line, and nothing is changed', async () => {
  const place = pools.makePlace();
  const old = await pools.start(place, ['-P', place.pidFile]);
  const before = snapshot(place, old);
  process.kill(old.pid, 'SIGSTOP');
  await machine.waitFor('the stop', () => machine.readStat(old.pid)?.state === 'T');
  const refused = await pools.run(place, ['--replace', '--ready-timeout', '200ms', '-M', '0666']);
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(refused.stderr).toMatch(
    /^spawn-fcgi: cannot take over the pool on .*: its supervisor does not answer\n$/,
  );
  process.kill(old.pid, 'SIGCONT');
  // It may have offered the pool to somebody who is gone.
  await machine.waitFor('an idle supervisor', async () => (await operationOf(place)) === null);
  await expectAsBefore(place, old, before);
});

test('a pool without a state directory cannot be replaced, and the command says so', async () => {
  const place = pools.makePlace();
  const args = ['--replace', '--state-dir', '/proc/self', '-s', place.socket, '--', place.app, 'serve'];
  const refused = await machine.runCommand(pools.oursPath, args, { cwd: place.dir });
  expect(refused.status).toBe(255);
  expect(pools.withoutHints(refused.stderr)).toMatch(/^spawn-fcgi: --state-dir cannot be used: /);
});

test("another user's pool is not found by --replace, and its address is in use", async (ctx) => {
  machine.needRoot(ctx);
  const { place, asNobody } = await makeNobodysPlace();
  const old = await pools.start(makeRootsPlace(place));
  const refused = await pools.run(place, ['--replace'], ['serve'], asNobody);
  expect(refused.status).toBe(255);
  expect(pools.hintsOf(refused.stderr).join('\n')).not.toBe('');
  expect(machine.isAlive(old.pid)).toBe(true);
});

test('with a chroot, before and after', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const app = compileC(fixture('scripted-worker.c'), { static: true });
  await machine.runCommand('cp', [app, join(place.runDir, 'app')]);
  const inside = { ...place, app: '/app', socket: '/sock' };
  const options = ['-c', place.runDir, '-u', 'nobody', '-g', 'nogroup'];
  const outside = join(place.runDir, 'sock');
  const args = (more: string[]): string[] =>
    pools.commandLine(inside, [...options, ...more]).filter((arg) => !arg.startsWith('report='));
  expect((await machine.runCommand(pools.oursPath, args([]), { cwd: place.dir })).status).toBe(0);
  const old = { pid: pools.readPoolState(place)?.pid ?? 0, workers: [] };
  expect(
    (await machine.runCommand(pools.oursPath, args(['--replace', '-M', '0666']), { cwd: place.dir })).status,
  ).toBe(0);
  const pool = { pid: pools.readPoolState(place)?.pid ?? 0 };
  expect(pool.pid).not.toBe(old.pid);
  await expectGone(old);
  await pools.visit({ path: outside });
  expect(statSync(outside).mode & 0o777).toBe(0o666);
  await pools.endPool(place, pool);
});

/** The place's program as one that begins when it is told to. */
function makeLate({ dir, app }: pools.Place): { app: string; goOn: () => void } {
  const [late, gate] = [join(dir, 'late.sh'), join(dir, 'gate')];
  const script = `#!/bin/sh\nuntil [ -e '${gate}' ]; do sleep 0.02; done\nexec '${app}' "$@"\n`;
  writeFileSync(late, script, { mode: 0o755 });
  return { app: late, goOn: () => writeFileSync(gate, '') };
}

interface Snapshot {
  mode: number;
  uid: number;
  gid: number;
  inode: number;
  pidFile: string;
  workerPidFile: string;
  workers: number[];
  backlog: number;
}

/** A pool with everything that a failed handover could change. */
async function makeGuardedPool(): Promise<{ place: pools.Place; old: pools.Pool; before: Snapshot }> {
  const place = pools.makePlace();
  const old = await pools.start(place, [
    '-F',
    '2',
    '-M',
    '0600',
    '-U',
    'nobody',
    '-G',
    'nogroup',
    '-b',
    '33',
    '-P',
    place.pidFile,
    '--worker-pid-file',
    join(place.runDir, 'w-%i.pid'),
  ]);
  await pools.fullPool(old, 2);
  return { place, old, before: snapshot(place, old) };
}

function snapshot(place: pools.Place, pool: { pid: number }): Snapshot {
  const { mode, uid, gid, ino } = statSync(place.socket);
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return 'none';
    }
  };
  return {
    mode,
    uid,
    gid,
    inode: ino,
    pidFile: read(place.pidFile),
    workerPidFile: read(join(place.runDir, 'w-0.pid')),
    workers: pools.workersOf(pool),
    backlog: 0,
  };
}

/** The old pool serves, its files say what they said, nothing of the new side is left. */
async function expectAsBefore(place: pools.Place, old: pools.Pool, before: Snapshot): Promise<void> {
  await machine.waitFor('the old workers alone', () => {
    const started = pools.starts(place).map(({ pid }) => pid);
    return started.every((pid) => before.workers.includes(pid) || !machine.isAlive(pid));
  });
  expect(snapshot(place, old)).toEqual(before);
  await pools.visit({ path: place.socket });
  const state = await machine.waitFor('the state of the old pool', () => {
    const found = pools.readPoolState(place);
    return found?.pid === old.pid && found;
  });
  expect(state).toMatchObject({ phase: 'serving' });
  expect(new Set(state.workers.map(({ pid }) => pid))).toEqual(new Set(before.workers));
  const { status, stdout } = await pools.ctl(place.stateDir, ['status', '--json', place.socket]);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([{ pid: old.pid, phase: 'serving' }]);
  await pools.endPool(place, old);
  await pools.expectNothingLeft(place);
}

/** Files, lock, state and control socket are the new supervisor's. */
async function expectInService(
  place: pools.EchoPlace,
  pool: pools.Pool,
  { workers, pattern }: { workers: number; pattern: string },
): Promise<void> {
  const pids = await pools.fullPool(pool, workers);
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
  const named = pids.map((_pid, slot) => Number(readFileSync(pattern.replace('%i', String(slot)), 'utf8')));
  expect(new Set(named)).toEqual(new Set(pids));
  expect(await pools.isLocked(place)).toBe(true);
  const state = pools.readPoolState(place);
  expect(state).toMatchObject({ pid: pool.pid, phase: 'serving' });
  const recorded = state?.workers.map(({ pid }) => pid) ?? [];
  for (const pid of pids) expect(recorded).toContain(pid);
  const { stdout } = await pools.ctl(place.stateDir, ['status', '--json', place.name]);
  expect(JSON.parse(stdout)).toMatchObject([{ pid: pool.pid, wanted: workers, phase: 'serving' }]);
}

async function expectGone({ pid, workers = [] }: { pid: number; workers?: number[] }): Promise<void> {
  await machine.waitFor(`the end of ${pid} and its workers`, () =>
    [pid, ...workers].every((one) => !machine.isAlive(one)),
  );
}

async function queueOf(place: pools.Place): Promise<unknown> {
  return (await pools.statusOf(place)).queue;
}

async function operationOf(place: pools.Place): Promise<unknown> {
  return (await pools.statusOf(place)).operation;
}

async function busyWorkers(place: pools.Place): Promise<unknown> {
  return (await pools.statusOf(place)).busy;
}

async function generationOf(place: pools.Place): Promise<{ pid: unknown; generation: unknown }> {
  const { pid, generation } = await pools.statusOf(place);
  return { pid, generation };
}

/** A connection that a worker has accepted and waits on. */
async function holdConnection(place: pools.EchoPlace): Promise<{ destroy: () => void }> {
  const connection = connect({ path: place.socket });
  machine.atEnd(() => {
    connection.destroy();
  });
  await machine.waitFor('a busy worker', async () => (await busyWorkers(place)) === 1);
  return connection;
}

/** A place that nobody may use. */
async function makeNobodysPlace() {
  const place = pools.makePlace();
  await machine.runCommand('chown', ['-R', '65534:65534', place.dir]);
  return { place, asNobody: { uid: machine.NOBODY, gid: machine.NOBODY } };
}

/** The same socket, with root's files elsewhere. */
function makeRootsPlace(place: pools.Place): pools.Place {
  return { ...place, stateDir: join(place.dir, 'roots-state'), log: join(place.dir, 'roots.log') };
}

/** The command, to be signalled on its way. */
function startCommand(place: pools.Place, options: string[], actions: string[]) {
  return pools.startForeground(pools.commandLine(place, options, actions), { cwd: place.dir });
}
