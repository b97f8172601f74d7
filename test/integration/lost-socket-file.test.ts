// A pool whose socket file somebody removed or replaced (a cleaner of /tmp, `rm -f` in a script) serves nobody: it says
// so, the next start takes it over, and restart and reload bind anew where the supervisor may.
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bindUnix } from '../../src/sys/connection/unix-socket.ts';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { isAlive, readOpenFiles } from '../helpers/machine/processes.ts';
import { isRoot, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursPath, type Pool } from '../helpers/pool/command-under-test.ts';
import { ctl } from '../helpers/pool/ctl.ts';
import {
  killSupervisor,
  makeEchoPlace,
  readPoolState,
  statusOf,
  type EchoPlace,
} from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  events,
  expectNothingLeft,
  fullPool,
  hintsOf,
  onlyWorker,
  run,
  start,
  waitForEvents,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';
import { askEcho } from '../helpers/web/request-load.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";
const asNobody = ['-u', 'nobody', '-g', 'nogroup'];

function cutOffHint({ socket }: Place, { pid }: Pool): RegExp {
  return new RegExp(`^nobody could connect to pool .*PID ${pid}.*${socket} was removed or replaced`);
}

async function socketFileOf(place: EchoPlace, { pid }: { pid: number }): Promise<unknown> {
  return (await statusOf({ ...place, name: String(pid) })).socketFile;
}

/** A request that this worker has, and will answer only later. */
async function holdRequest(
  place: EchoPlace,
  worker: number,
): Promise<{ answer: ReturnType<typeof askEcho> }> {
  const sockets = (): number =>
    readOpenFiles(worker).filter(({ target }) => target.startsWith('socket:')).length;
  const before = sockets();
  const answer = askEcho(place.target, 'sleep=3000');
  await waitFor('the request in a worker', () => sockets() > before);
  return { answer };
}

function listenAt(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.end());
    server.once('error', reject);
    server.listen(path, () => resolve());
    atEnd(() => void server.close());
  });
}

describe('its status says', () => {
  test('ours, gone and replaced as it is', async () => {
    const place = await makeEchoPlace();
    const pool = await start(place, [], []);
    expect(await socketFileOf(place, pool)).toBe('ours');
    renameSync(place.socket, `${place.socket}.moved`);
    expect(await socketFileOf(place, pool)).toBe('gone');
    writeFileSync(place.socket, '');
    expect(await socketFileOf(place, pool)).toBe('replaced');
    rmSync(place.socket);
    renameSync(`${place.socket}.moved`, place.socket);
    expect(await socketFileOf(place, pool)).toBe('ours');
    await endPool(place, pool);
  });

  test('nothing of it on TCP', async () => {
    const place = await makeEchoPlace('TCP');
    await start(place, [], [], { address: place.address });
    expect((await statusOf(place)).socketFile).toBeNull();
  });
});

describe('a plain start', () => {
  test.for([
    ['removed', [], (place: Place) => unlinkSync(place.socket)],
    ['removed with the PID file', [], clearDirectory],
    ['removed with its directory', [], replaceDirectory],
    ['removed', asNobody, (place: Place) => unlinkSync(place.socket)],
    ['replaced by a stale one', [], replaceByStale],
  ] as const)('takes over when the file was %s (with %j)', async ([, options, lose], ctx) => {
    if (options.length > 0) needRoot(ctx);
    const place = await makeEchoPlace();
    const old = await start(place, ['-P', place.pidFile, ...options], []);
    const worker = await onlyWorker(old);
    const held = await holdRequest(place, worker);
    lose(place);
    const pool = await start(place, ['-P', place.pidFile, ...options], []);
    expect(hintsOf(pool.stderr)).toContainEqual(expect.stringMatching(cutOffHint(place, old)));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(pool));
    // The old worker finishes, and ends.
    expect(await held.answer).toMatchObject({ pid: worker });
    await waitFor('the end of the old pool', () => !isAlive(old.pid) && !isAlive(worker));
    expect(await socketFileOf(place, pool)).toBe('ours');
    await endPool(place, pool);
    if (options.length === 0) await expectNothingLeft(place);
  });

  test('is refused when somebody else serves there, and the pool stays as it was', async () => {
    const place = await makeEchoPlace();
    const pool = await start(place, [], []);
    const worker = await onlyWorker(pool);
    renameSync(place.socket, `${place.socket}.moved`);
    await listenAt(place.socket);
    const refused = await run(place, [], []);
    expect(refused.status).toBe(255);
    expect(withoutHints(refused.stderr)).toBe(IN_USE);
    expect(hintsOf(refused.stderr).at(-1)).toContain(`${place.socket} is held by PID ${process.pid} (`);
    expect(await onlyWorker(pool)).toBe(worker);
    expect((await statusOf(place)).operation).toBeNull();
  });

  test('names who has put a socket of another name there, and not the pool that lost its own', async () => {
    const place = await makeEchoPlace();
    const pool = await start(place);
    const elsewhere = join(place.runDir, 'elsewhere');
    const server = createServer().listen(elsewhere);
    await once(server, 'listening');
    atEnd(() => void server.close());
    renameSync(elsewhere, place.socket);
    const refused = await run(place);
    expect(refused.status).toBe(255);
    expect(hintsOf(refused.stderr).at(-1)).toContain(`${place.socket} is held by PID ${process.pid} `);
    await endPool(place, pool);
  });

  test.for([['-n'], ['--no-supervise']])(
    'with %s, which supervises nothing, is refused with the way out, and names no PID file that is gone',
    async ([model = '']) => {
      const place = await makeEchoPlace();
      // They take no --state-dir, and root has one directory for all.
      const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
      if (isRoot) for (const path of [place.dir, place.runDir]) chownSync(path, NOBODY, NOBODY);
      const [env, stateDir] = [{ XDG_RUNTIME_DIR: place.dir }, join(place.dir, 'spawn-fcgi')];
      const how = { cwd: place.dir, env: { ...process.env, ...env }, ...user };
      const pool = await start({ ...place, stateDir }, ['-P', place.pidFile], [], how);
      clearDirectory(place);
      const refused = await runCommand(oursPath, ['-s', place.socket, model, '--', place.app], how);
      expect(refused.status).toBe(255);
      expect(withoutHints(refused.stderr)).toBe(IN_USE);
      expect(hintsOf(refused.stderr)).toEqual([
        expect.stringMatching(
          new RegExp(`^nobody can connect to pool .* takes it over; .*: kill ${pool.pid}$`),
        ),
      ]);
    },
  );

  test('does not take over a pool that others can connect to, whose path leads elsewhere for it alone', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'unshare', 'mount');
    const place = await makeEchoPlace();
    const pool = await start(place, [], []);
    const inside = ['mount -t tmpfs tmpfs "$1" && shift && exec "$@"', 'sh', place.runDir, oursPath];
    const refused = await runCommand(
      'unshare',
      ['--mount', '/bin/sh', '-c', ...inside, ...commandLine(place, [], [])],
      { cwd: place.dir },
    );
    expect(refused.status).toBe(255);
    expect(withoutHints(refused.stderr)).toBe(IN_USE);
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(pool));
  });

  test('beside a pool whose file is there names no PID file that is gone', async () => {
    const place = await makeEchoPlace();
    const pool = await start(place, ['-P', place.pidFile], []);
    unlinkSync(place.pidFile);
    const refused = await run(place, [], []);
    expect(hintsOf(refused.stderr).join('\n')).toContain(`stop it first: kill ${pool.pid};`);
  });
});

describe('without a file', () => {
  test.for([
    ['restart', 'gone'],
    ['reload', 'gone'],
    ['restart', 'replaced'],
  ] as const)(
    '%s binds anew where it is %s, and the old worker answers what it has',
    async ([command, was]) => {
      const place = await makeEchoPlace();
      const pool = await start(place, ['--settle', '100ms', '-M', '0606'], []);
      const worker = await onlyWorker(pool);
      const held = await holdRequest(place, worker);
      if (was === 'gone') unlinkSync(place.socket);
      else replaceByStale(place);
      const result = await ctl(place.stateDir, [command, place.socket]);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(await held.answer).toMatchObject({ pid: worker });
      expect((await askEcho(place.target)).pid).toBe(await onlyWorker(pool, [worker]));
      expect(statSync(place.socket).mode & 0o777).toBe(0o606);
      expect(events(place, 'socket-renewed')).toMatchObject([{ address: place.socket, was }]);
      expect(await statusOf(place)).toMatchObject({ socketFile: 'ours', queue: { length: 0 } });
      await endPool(place, pool);
      await expectNothingLeft(place);
    },
  );

  test('HUP binds anew, and workers on the socket before are found after a kill of the supervisor', async () => {
    const place = await makeEchoPlace();
    const pool = await start(place, ['--settle', '100ms'], []);
    const worker = await onlyWorker(pool);
    const held = await holdRequest(place, worker);
    unlinkSync(place.socket);
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'worker-replaced');
    const [, fresh] = await fullPool(pool, 2);
    expect(readPoolState(place)?.sockets).toHaveLength(2);
    await killSupervisor(pool);
    const next = await start(place, [], []);
    const [takenOver] = await waitForEvents(place, 'taken-over');
    expect(takenOver?.['workerPids']).toEqual([fresh, worker].toSorted((a, b) => (a ?? 0) - (b ?? 0)));
    expect(await held.answer).toMatchObject({ pid: worker });
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
  });

  test.for(['restart', 'reload'])(
    '%s fails where the supervisor may not make it, and says the way out',
    async (command, ctx) => {
      needRoot(ctx);
      const place = await makeEchoPlace();
      const pool = await start(place, asNobody, []);
      const worker = await onlyWorker(pool);
      unlinkSync(place.socket);
      const result = await ctl(place.stateDir, [command, place.socket]);
      expect(result.status).toBe(1);
      expect(result.stderr).toMatch(
        /^spawn-fcgictl: nobody can connect: the socket file .* was removed, and it cannot be made again \(bind failed: Permission denied\); start the pool again/,
      );
      expect(await onlyWorker(pool)).toBe(worker);
      const next = await start(place, asNobody, []);
      expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
    },
  );

  test('HUP goes on with the release and warns where the supervisor may not make it', async (ctx) => {
    needRoot(ctx);
    const place = await makeEchoPlace();
    const pool = await start(place, [...asNobody, '--settle', '100ms'], []);
    const worker = await onlyWorker(pool);
    unlinkSync(place.socket);
    process.kill(pool.pid, 'SIGHUP');
    await waitForEvents(place, 'reload-finished');
    expect(await onlyWorker(pool, [worker])).not.toBe(worker);
    expect(events(place, 'warning').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^nobody can connect: /),
    ]);
  });

  test('and with a relative path after -d it is not bound anywhere else', async () => {
    const place = await makeEchoPlace();
    const elsewhere = join(place.dir, 'elsewhere');
    mkdirSync(elsewhere);
    await start(place, ['-d', elsewhere], [], { address: ['-s', 'run/app.sock'] });
    unlinkSync(place.socket);
    const result = await ctl(place.stateDir, ['restart', place.socket]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('this supervisor has no right to make it again');
    expect(existsSync(place.socket)).toBe(false);
  });
});

function clearDirectory({ socket, pidFile }: Place): void {
  unlinkSync(socket);
  unlinkSync(pidFile);
}

function replaceDirectory({ runDir }: Place): void {
  rmSync(runDir, { recursive: true });
  mkdirSync(runDir);
  chmodSync(runDir, 0o755);
}

/** By a socket that nobody listens on. */
function replaceByStale({ socket }: Place): void {
  unlinkSync(socket);
  closeSync(bindUnix(socket));
}
