// A pool whose socket file somebody removed or replaced (a cleaner of /tmp, `rm -f` in a script) serves nobody: it says
// so, the next start takes it over, and restart and reload bind anew where the supervisor may.
import * as fs from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bindUnix } from '../../src/sys/connection/unix-socket.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho, holdEcho } from '../helpers/web/index.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";
const asNobody = ['-u', 'nobody', '-g', 'nogroup'];

function cutOffHint({ socket }: pools.Place, { pid }: pools.Pool): RegExp {
  return new RegExp(`^nobody could connect to pool .*PID ${pid}.*${socket} was removed or replaced`);
}

async function socketFileOf(place: pools.EchoPlace, { pid }: { pid: number }): Promise<unknown> {
  return (await pools.statusOf({ ...place, name: String(pid) })).socketFile;
}

/** A request that this worker has, and will answer only later. */
async function holdRequest(
  place: pools.EchoPlace,
  worker: number,
): Promise<{ answer: ReturnType<typeof askEcho> }> {
  const sockets = (): number =>
    machine.readOpenFiles(worker).filter(({ target }) => target.startsWith('socket:')).length;
  const before = sockets();
  const answer = askEcho(place.target, 'sleep=3000');
  await machine.waitFor('the request in a worker', () => sockets() > before);
  return { answer };
}

function listenAt(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.end());
    server.once('error', reject);
    server.listen(path, () => resolve());
    machine.atEnd(() => void server.close());
  });
}

describe('its status says', () => {
  test('ours, gone and replaced as it is', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, [], []);
    expect(await socketFileOf(place, pool)).toBe('ours');
    fs.renameSync(place.socket, `${place.socket}.moved`);
    expect(await socketFileOf(place, pool)).toBe('gone');
    fs.writeFileSync(place.socket, '');
    expect(await socketFileOf(place, pool)).toBe('replaced');
    fs.rmSync(place.socket);
    fs.renameSync(`${place.socket}.moved`, place.socket);
    expect(await socketFileOf(place, pool)).toBe('ours');
    await pools.endPool(place, pool);
  });

  test('nothing of the kind where the supervisor may not look: the web server may, and a reload works', async (ctx) => {
    machine.needRoot(ctx);
    const place = await pools.makeEchoPlace();
    await pools.start(place, [...asNobody, '-M', '0666'], []);
    fs.chmodSync(place.runDir, 0o700);
    expect(await pools.ctl(place.stateDir, ['ping', place.socket])).toMatchObject({ status: 0 });
    expect(await pools.ctl(place.stateDir, ['reload', place.socket])).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(await askEcho(place.target)).toMatchObject({ release: '1' });
    expect((await pools.statusOf(place)).generation).toBe(2);
  });

  test('nothing of it on TCP', async () => {
    const place = await pools.makeEchoPlace('TCP');
    await pools.start(place, [], [], { address: place.address });
    expect((await pools.statusOf(place)).socketFile).toBeNull();
  });
});

describe('a plain start', () => {
  test.for([
    ['removed', [], (place: pools.Place) => fs.unlinkSync(place.socket)],
    ['removed with the PID file', [], clearDirectory],
    ['removed with its directory', [], replaceDirectory],
    ['removed', asNobody, (place: pools.Place) => fs.unlinkSync(place.socket)],
    ['replaced by a stale one', [], replaceByStale],
  ] as const)('takes over when the file was %s (with %j)', async ([, options, lose], ctx) => {
    if (options.length > 0) machine.needRoot(ctx);
    const place = await pools.makeEchoPlace();
    const old = await pools.start(place, ['-P', place.pidFile, ...options], []);
    const worker = await pools.onlyWorker(old);
    const held = await holdRequest(place, worker);
    lose(place);
    const pool = await pools.start(place, ['-P', place.pidFile, ...options], []);
    expect(pools.hintsOf(pool.stderr)).toContainEqual(expect.stringMatching(cutOffHint(place, old)));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(pool));
    // The old worker finishes, and ends.
    expect(await held.answer).toMatchObject({ pid: worker });
    await machine.waitFor(
      'the end of the old pool',
      () => !machine.isAlive(old.pid) && !machine.isAlive(worker),
    );
    expect(await socketFileOf(place, pool)).toBe('ours');
    await pools.endPool(place, pool);
    if (options.length === 0) await pools.expectNothingLeft(place);
  });

  test('is refused when somebody else serves there, and the pool stays as it was', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, [], []);
    const worker = await pools.onlyWorker(pool);
    fs.renameSync(place.socket, `${place.socket}.moved`);
    await listenAt(place.socket);
    const refused = await pools.run(place, [], []);
    expect(refused.status).toBe(255);
    expect(pools.withoutHints(refused.stderr)).toBe(IN_USE);
    expect(pools.hintsOf(refused.stderr).at(-1)).toContain(`${place.socket} is held by PID ${process.pid} (`);
    expect(await pools.onlyWorker(pool)).toBe(worker);
    expect((await pools.statusOf(place)).operation).toBeNull();
  });

  test('names who has put a socket of another name there, and not the pool that lost its own', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place);
    const elsewhere = join(place.runDir, 'elsewhere');
    const server = createServer().listen(elsewhere);
    await once(server, 'listening');
    machine.atEnd(() => void server.close());
    fs.renameSync(elsewhere, place.socket);
    const refused = await pools.run(place);
    expect(refused.status).toBe(255);
    expect(pools.hintsOf(refused.stderr).at(-1)).toContain(`${place.socket} is held by PID ${process.pid} `);
    await pools.endPool(place, pool);
  });

  test.for([['-n'], ['--no-supervise']])(
    'with %s, which supervises nothing, is refused with the way out, and names no PID file that is gone',
    async ([model = '']) => {
      const place = await pools.makeEchoPlace();
      // They take no --state-dir, and root has one directory for all.
      const user = machine.isRoot ? { uid: machine.NOBODY, gid: machine.NOBODY } : {};
      if (machine.isRoot)
        for (const path of [place.dir, place.runDir]) fs.chownSync(path, machine.NOBODY, machine.NOBODY);
      const [env, stateDir] = [{ XDG_RUNTIME_DIR: place.dir }, join(place.dir, 'spawn-fcgi')];
      const how = { cwd: place.dir, env: { ...process.env, ...env }, ...user };
      const pool = await pools.start({ ...place, stateDir }, ['-P', place.pidFile], [], how);
      clearDirectory(place);
      const refused = await machine.runCommand(
        pools.oursPath,
        ['-s', place.socket, model, '--', place.app],
        how,
      );
      expect(refused.status).toBe(255);
      expect(pools.withoutHints(refused.stderr)).toBe(IN_USE);
      expect(pools.hintsOf(refused.stderr)).toEqual([
        expect.stringMatching(
          new RegExp(`^nobody can connect to pool .* takes it over; .*: kill ${pool.pid}$`),
        ),
      ]);
    },
  );

  test('does not take over a pool that others can connect to, whose path leads elsewhere for it alone', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, [], []);
    const inside = ['mount -t tmpfs tmpfs "$1" && shift && exec "$@"', 'sh', place.runDir, pools.oursPath];
    const refused = await machine.runCommand(
      'unshare',
      ['--mount', '/bin/sh', '-c', ...inside, ...pools.commandLine(place, [], [])],
      { cwd: place.dir },
    );
    expect(refused.status).toBe(255);
    expect(pools.withoutHints(refused.stderr)).toBe(IN_USE);
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(pool));
  });

  test('beside a pool whose file is there names no PID file that is gone', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, ['-P', place.pidFile], []);
    fs.unlinkSync(place.pidFile);
    const refused = await pools.run(place, [], []);
    expect(pools.hintsOf(refused.stderr).join('\n')).toContain(`stop it first: kill ${pool.pid};`);
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
      const place = await pools.makeEchoPlace();
      const pool = await pools.start(place, ['--settle', '100ms', '-M', '0606'], []);
      const worker = await pools.onlyWorker(pool);
      const held = await holdRequest(place, worker);
      if (was === 'gone') fs.unlinkSync(place.socket);
      else replaceByStale(place);
      const result = await pools.ctl(place.stateDir, [command, place.socket]);
      expect(result).toMatchObject({ status: 0, stderr: '' });
      expect(await held.answer).toMatchObject({ pid: worker });
      expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(pool, [worker]));
      expect(fs.statSync(place.socket).mode & 0o777).toBe(0o606);
      expect(pools.events(place, 'socket-renewed')).toMatchObject([{ address: place.socket, was }]);
      expect(await pools.statusOf(place)).toMatchObject({ socketFile: 'ours', queue: { length: 0 } });
      await pools.endPool(place, pool);
      await pools.expectNothingLeft(place);
    },
  );

  test('HUP binds anew, and workers on the socket before are found after a kill of the supervisor', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, ['--settle', '100ms', '--stop-timeout', '10m'], []);
    const { worker, reply, release } = await holdEcho(place);
    fs.unlinkSync(place.socket);
    process.kill(pool.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'worker-replaced');
    const fresh = (await pools.fullPool(pool, 2)).find((pid) => pid !== worker);
    expect(pools.readPoolState(place)?.sockets).toHaveLength(2);
    await pools.killSupervisor(pool);
    const next = await pools.start(place, [], []);
    const [takenOver] = await pools.waitForEvents(place, 'taken-over');
    expect(takenOver?.['workerPids']).toEqual([fresh, worker].toSorted((a, b) => (a ?? 0) - (b ?? 0)));
    release();
    expect(await reply).toMatchObject({ pid: worker });
    await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
  });

  test.for(['restart', 'reload'])(
    '%s fails where the supervisor may not make it, and says the way out',
    async (command, ctx) => {
      machine.needRoot(ctx);
      const place = await pools.makeEchoPlace();
      const pool = await pools.start(place, asNobody, []);
      const worker = await pools.onlyWorker(pool);
      fs.unlinkSync(place.socket);
      const result = await pools.ctl(place.stateDir, [command, place.socket]);
      expect(result.status).toBe(1);
      expect(result.stderr).toMatch(
        /^spawn-fcgictl: nobody can connect: the socket file .* was removed, and it cannot be made again \(bind failed: Permission denied\); start the pool again/,
      );
      expect(await pools.onlyWorker(pool)).toBe(worker);
      const next = await pools.start(place, asNobody, []);
      expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
    },
  );

  test('HUP goes on with the release and warns where the supervisor may not make it', async (ctx) => {
    machine.needRoot(ctx);
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, [...asNobody, '--settle', '100ms'], []);
    const worker = await pools.onlyWorker(pool);
    fs.unlinkSync(place.socket);
    process.kill(pool.pid, 'SIGHUP');
    await pools.waitForEvents(place, 'reload-finished');
    expect(await pools.onlyWorker(pool, [worker])).not.toBe(worker);
    expect(pools.events(place, 'warning').map(({ message }) => message)).toEqual([
      expect.stringMatching(/^nobody can connect: /),
    ]);
  });

  test('and with a relative path after -d it is not bound anywhere else', async () => {
    const place = await pools.makeEchoPlace();
    const elsewhere = join(place.dir, 'elsewhere');
    fs.mkdirSync(elsewhere);
    await pools.start(place, ['-d', elsewhere], [], { address: ['-s', 'run/app.sock'] });
    fs.unlinkSync(place.socket);
    const result = await pools.ctl(place.stateDir, ['restart', place.socket]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('this supervisor has no right to make it again');
    expect(fs.existsSync(place.socket)).toBe(false);
  });
});

function clearDirectory({ socket, pidFile }: pools.Place): void {
  fs.unlinkSync(socket);
  fs.unlinkSync(pidFile);
}

function replaceDirectory({ runDir }: pools.Place): void {
  fs.rmSync(runDir, { recursive: true });
  fs.mkdirSync(runDir);
  fs.chmodSync(runDir, 0o755);
}

/** By a socket that nobody listens on. */
function replaceByStale({ socket }: pools.Place): void {
  fs.unlinkSync(socket);
  fs.closeSync(bindUnix(socket));
}
