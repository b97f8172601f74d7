// One pool an address: starts at the same time, on top of each other, and one right after the other's end.
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePort, isAlive, signalProcess, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

interface Address {
  options: string[];
  target: { path: string } | { host: string; port: number };
  inUse: string;
}

const transports = ['TCP', 'a Unix socket'] as const;

async function addressOf(place: pools.Place, transport: (typeof transports)[number]): Promise<Address> {
  if (transport === 'TCP') {
    const port = await freePort();
    const options = ['-a', '127.0.0.1', '-p', String(port)];
    return {
      options,
      target: { host: '127.0.0.1', port },
      inUse: 'spawn-fcgi: bind failed: Address already in use',
    };
  }
  const { socket } = place;
  return {
    options: ['-s', socket],
    target: { path: socket },
    inUse: "spawn-fcgi: socket is already in use, can't spawn",
  };
}

describe.for(transports)('on %s', (transport) => {
  test('of 20 starts at the same time one wins, and nothing of it is touched by the others', async () => {
    const place = pools.makePlace();
    const { options: address, target, inUse } = await addressOf(place, transport);
    const results = await Promise.all(
      Array.from({ length: 20 }, () => pools.run(place, ['-P', place.pidFile], ['serve'], { address })),
    );
    const [winner, ...more] = results.filter(({ status }) => status === 0);
    expect(more).toEqual([]);
    const losers = results.filter((result) => result !== winner);
    for (const { status, stdout } of losers) expect({ status, stdout }).toEqual({ status: 255, stdout: '' });
    for (const { stderr } of losers) expect(pools.withoutHints(stderr)).toBe(inUse);
    const [pid = 0] = pools.printedPids(winner?.stdout ?? '');
    await pools.onlyWorker({ pid });
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pid));
    expect(pools.readPoolState(place)).toMatchObject({ pid, phase: 'serving' });
    await pools.visit(target);
    await pools.endPool(place, { pid });
    await pools.expectNothingLeft(place);
  });

  test('a second start on a running pool is refused and says how to stop that', async () => {
    const place = pools.makePlace();
    const { options: address, target, inUse } = await addressOf(place, transport);
    const pool = await pools.start(place, ['-P', place.pidFile, '--name', 'first'], ['serve'], { address });
    const second = await pools.run(place, ['-P', join(place.dir, 'second.pid')], ['serve'], { address });
    expect(second).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(second.stderr)).toBe(inUse);
    const hint = pools.hintsOf(second.stderr).join('\n');
    expect(hint).toContain("'first'");
    expect(hint).toContain(String(pool.pid));
    expect(hint).toContain(`kill $(cat ${place.pidFile})`);
    await expectUntouched(place, pool, target);
  });

  test('a second start without a PID file to name says kill PID', async () => {
    const place = pools.makePlace();
    const { options: address } = await addressOf(place, transport);
    const pool = await pools.start(place, [], ['serve'], { address });
    const second = await pools.run(place, [], ['serve'], { address });
    expect(pools.hintsOf(second.stderr).join('\n')).toContain(`kill ${pool.pid}`);
  });

  test.for([
    ['at once', ['serve']],
    ['after 300 ms', ['slow-end=300', 'serve']],
  ] as const)(
    'stop and start without a pause works, five times, with a worker that ends %s',
    async ([, actions]) => {
      const place = pools.makePlace();
      const { options: address, target } = await addressOf(place, transport);
      let pool = await pools.start(place, ['-P', place.pidFile, '-F', '2'], actions, { address });
      for (let round = 0; round < 5; round += 1) {
        process.kill(Number(readFileSync(place.pidFile, 'utf8')), 'SIGTERM');
        const next = await pools.start(place, ['-P', place.pidFile, '-F', '2'], actions, { address });
        expect(next.pid).not.toBe(pool.pid);
        pool = next;
        expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
        await pools.fullPool(pool, 2);
        await pools.visit(target);
      }
    },
  );

  test.for(['SIGTERM', 'SIGKILL'] as const)(
    '%s to the supervisor and all workers, and the same start works at once',
    async (signal) => {
      const place = pools.makePlace();
      const { options: address, target } = await addressOf(place, transport);
      const options = ['-P', place.pidFile, '-F', '4'];
      const first = await pools.start(place, options, ['serve'], { address });
      await pools.fullPool(first, 4);
      for (const { pid, startTime } of pools.familyOf(first.pid).sort((a, b) => a.pid - b.pid)) {
        signalProcess(pid, startTime, signal);
      }
      const second = await pools.start(place, options, ['serve'], { address });
      await pools.fullPool(second, 4);
      await pools.visit(target);
      expect(readFileSync(place.pidFile, 'utf8')).toBe(String(second.pid));
    },
  );

  test('workers whose supervisor was killed keep serving; only a start that supervises takes over from them', async () => {
    const place = pools.makePlace();
    const { options: address, target, inUse } = await addressOf(place, transport);
    const pool = await pools.start(place, ['-P', place.pidFile, '-F', '2'], ['serve'], { address });
    const workers = await pools.fullPool(pool, 2);
    process.kill(pool.pid, 'SIGKILL');
    await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
    await pools.visit(target);
    for (const model of ['--no-supervise', '-n']) {
      const refused = await runCommand(pools.oursPath, [...address, model, '--', place.app, 'serve'], {
        cwd: place.dir,
      });
      expect(refused.status).toBe(255);
      expect(pools.withoutHints(refused.stderr)).toBe(inUse);
    }
    await pools.visit(target);
    const next = await pools.start(place, ['-P', place.pidFile], ['serve'], { address });
    await waitFor('the end of the old workers', () => !workers.some((worker) => isAlive(worker)));
    await pools.onlyWorker(next);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
    await pools.visit(target);
    await pools.endPool(place, next);
  });
});

test('a second start by another spelling of the path is refused', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-P', place.pidFile]);
  const link = join(place.dir, 'link');
  symlinkSync(place.runDir, link);
  for (const socket of ['run/app.sock', './run/../run//app.sock', join(link, 'app.sock')]) {
    const second = await pools.run({ ...place, socket });
    expect(second.status).toBe(255);
    expect(pools.withoutHints(second.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    expect(pools.hintsOf(second.stderr).join('\n')).toContain(String(pool.pid));
  }
  await expectUntouched(place, pool, { path: place.socket });
});

test('a pool that stops and needs longer than the patience of a start is waited for all the same', async () => {
  const place = pools.makePlace();
  const first = await pools.start(place, ['--stop-timeout', '30s'], ['slow-end=2500', 'serve']);
  process.kill(first.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  const second = await pools.start(place);
  await waitFor('the end of the first', () => !isAlive(first.pid));
  await pools.onlyWorker(second);
});

test('two pools on different addresses do not disturb each other', async () => {
  const place = pools.makePlace();
  const other = { ...place, socket: join(place.runDir, 'other.sock') };
  const [first, second] = await Promise.all([pools.start(place), pools.start(other)]);
  process.kill(first.pid, 'SIGTERM');
  await waitFor('the end of the first', () => !isAlive(first.pid));
  await pools.visit({ path: other.socket });
  expect(isAlive(second.pid)).toBe(true);
});

test('the lock is held by the supervisor alone', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  const lock = stateFiles(place).find((name) => name.endsWith('.lock')) ?? '';
  const taken = await runCommand('flock', ['--nonblock', lock, 'true']);
  expect(taken.status).toBe(1);
  process.kill(pool.pid, 'SIGKILL');
  await waitFor(
    'a free lock',
    async () => (await runCommand('flock', ['--nonblock', lock, 'true'])).status === 0,
  );
});

test('the same address given to --no-supervise is refused while a pool runs', async () => {
  const place = pools.makePlace();
  await pools.start(place);
  const args = ['--no-supervise', '-s', place.socket, '--', place.app, 'serve'];
  const result = await runCommand(pools.oursPath, args, { cwd: place.dir });
  expect(result.status).toBe(255);
  expect(pools.withoutHints(result.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
});

/** The second start changed nothing: socket file, PID file, state, and the pool answers. */
async function expectUntouched(
  place: pools.Place,
  pool: pools.Pool,
  target: Address['target'],
): Promise<void> {
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
  expect(pools.readPoolState(place)).toMatchObject({ pid: pool.pid, phase: 'serving' });
  await pools.visit(target);
  expect(isAlive(pool.pid)).toBe(true);
  if ('path' in target) expect(statSync(target.path).isSocket()).toBe(true);
}

function stateFiles({ stateDir }: pools.Place): string[] {
  mkdirSync(stateDir, { recursive: true });
  return readdirSync(stateDir).map((name) => join(stateDir, name));
}
