// One pool an address: starts at the same time, on top of each other, and one right after the other's end.
import { describe, expect, test } from 'vitest';
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { familyOf, oursPath, printedPids, type Pool } from '../helpers/pool/command-under-test.ts';
import { freePort } from '../helpers/machine/free-port.ts';
import { isAlive, signalProcess } from '../helpers/machine/processes.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { readPoolState } from '../helpers/pool/echo-pool.ts';
import {
  endPool,
  expectNothingLeft,
  fullPool,
  hintsOf,
  makePlace,
  onlyWorker,
  run,
  start,
  visit,
  waitForEvents,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';

interface Address {
  options: string[];
  target: { path: string } | { host: string; port: number };
  inUse: string;
}

const transports = ['TCP', 'a Unix socket'] as const;

async function addressOf(place: Place, transport: (typeof transports)[number]): Promise<Address> {
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
    const place = makePlace();
    const { options: address, target, inUse } = await addressOf(place, transport);
    const results = await Promise.all(
      Array.from({ length: 20 }, () => run(place, ['-P', place.pidFile], ['serve'], { address })),
    );
    const [winner, ...more] = results.filter(({ status }) => status === 0);
    expect(more).toEqual([]);
    const losers = results.filter((result) => result !== winner);
    for (const { status, stdout } of losers) expect({ status, stdout }).toEqual({ status: 255, stdout: '' });
    for (const { stderr } of losers) expect(withoutHints(stderr)).toBe(inUse);
    const [pid = 0] = printedPids(winner?.stdout ?? '');
    await onlyWorker({ pid });
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pid));
    expect(readPoolState(place)).toMatchObject({ pid, phase: 'serving' });
    await visit(target);
    await endPool(place, { pid });
    await expectNothingLeft(place);
  });

  test('a second start on a running pool is refused and says how to stop that', async () => {
    const place = makePlace();
    const { options: address, target, inUse } = await addressOf(place, transport);
    const pool = await start(place, ['-P', place.pidFile, '--name', 'first'], ['serve'], { address });
    const second = await run(place, ['-P', join(place.dir, 'second.pid')], ['serve'], { address });
    expect(second).toMatchObject({ status: 255, stdout: '' });
    expect(withoutHints(second.stderr)).toBe(inUse);
    const hint = hintsOf(second.stderr).join('\n');
    expect(hint).toContain("'first'");
    expect(hint).toContain(String(pool.pid));
    expect(hint).toContain(`kill $(cat ${place.pidFile})`);
    await expectUntouched(place, pool, target);
  });

  test('a second start without a PID file to name says kill PID', async () => {
    const place = makePlace();
    const { options: address } = await addressOf(place, transport);
    const pool = await start(place, [], ['serve'], { address });
    const second = await run(place, [], ['serve'], { address });
    expect(hintsOf(second.stderr).join('\n')).toContain(`kill ${pool.pid}`);
  });

  test.for([
    ['at once', ['serve']],
    ['after 300 ms', ['slow-end=300', 'serve']],
  ] as const)(
    'stop and start without a pause works, five times, with a worker that ends %s',
    async ([, actions]) => {
      const place = makePlace();
      const { options: address, target } = await addressOf(place, transport);
      let pool = await start(place, ['-P', place.pidFile, '-F', '2'], actions, { address });
      for (let round = 0; round < 5; round += 1) {
        process.kill(Number(readFileSync(place.pidFile, 'utf8')), 'SIGTERM');
        const next = await start(place, ['-P', place.pidFile, '-F', '2'], actions, { address });
        expect(next.pid).not.toBe(pool.pid);
        pool = next;
        expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
        await fullPool(pool, 2);
        await visit(target);
      }
    },
  );

  test.for(['SIGTERM', 'SIGKILL'] as const)(
    '%s to the supervisor and all workers, and the same start works at once',
    async (signal) => {
      const place = makePlace();
      const { options: address, target } = await addressOf(place, transport);
      const options = ['-P', place.pidFile, '-F', '4'];
      const first = await start(place, options, ['serve'], { address });
      await fullPool(first, 4);
      for (const { pid, startTime } of familyOf(first.pid).sort((a, b) => a.pid - b.pid)) {
        signalProcess(pid, startTime, signal);
      }
      const second = await start(place, options, ['serve'], { address });
      await fullPool(second, 4);
      await visit(target);
      expect(readFileSync(place.pidFile, 'utf8')).toBe(String(second.pid));
    },
  );

  test('workers whose supervisor was killed keep serving; only a start that supervises takes over from them', async () => {
    const place = makePlace();
    const { options: address, target, inUse } = await addressOf(place, transport);
    const pool = await start(place, ['-P', place.pidFile, '-F', '2'], ['serve'], { address });
    const workers = await fullPool(pool, 2);
    process.kill(pool.pid, 'SIGKILL');
    await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
    await visit(target);
    for (const model of ['--no-supervise', '-n']) {
      const refused = await runCommand(oursPath, [...address, model, '--', place.app, 'serve'], {
        cwd: place.dir,
      });
      expect(refused.status).toBe(255);
      expect(withoutHints(refused.stderr)).toBe(inUse);
    }
    await visit(target);
    const next = await start(place, ['-P', place.pidFile], ['serve'], { address });
    await waitFor('the end of the old workers', () => !workers.some((worker) => isAlive(worker)));
    await onlyWorker(next);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
    await visit(target);
    await endPool(place, next);
  });
});

test('a second start by another spelling of the path is refused', async () => {
  const place = makePlace();
  const pool = await start(place, ['-P', place.pidFile]);
  const link = join(place.dir, 'link');
  symlinkSync(place.runDir, link);
  for (const socket of ['run/app.sock', './run/../run//app.sock', join(link, 'app.sock')]) {
    const second = await run({ ...place, socket });
    expect(second.status).toBe(255);
    expect(withoutHints(second.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    expect(hintsOf(second.stderr).join('\n')).toContain(String(pool.pid));
  }
  await expectUntouched(place, pool, { path: place.socket });
});

test('a pool that stops and needs longer than the patience of a start is waited for all the same', async () => {
  const place = makePlace();
  const first = await start(place, ['--stop-timeout', '30s'], ['slow-end=2500', 'serve']);
  process.kill(first.pid, 'SIGTERM');
  await waitForEvents(place, 'stopping');
  const second = await start(place);
  await waitFor('the end of the first', () => !isAlive(first.pid));
  await onlyWorker(second);
});

test('two pools on different addresses do not disturb each other', async () => {
  const place = makePlace();
  const other = { ...place, socket: join(place.runDir, 'other.sock') };
  const [first, second] = await Promise.all([start(place), start(other)]);
  process.kill(first.pid, 'SIGTERM');
  await waitFor('the end of the first', () => !isAlive(first.pid));
  await visit({ path: other.socket });
  expect(isAlive(second.pid)).toBe(true);
});

test('the lock is held by the supervisor alone', async () => {
  const place = makePlace();
  const pool = await start(place);
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
  const place = makePlace();
  await start(place);
  const args = ['--no-supervise', '-s', place.socket, '--', place.app, 'serve'];
  const result = await runCommand(oursPath, args, { cwd: place.dir });
  expect(result.status).toBe(255);
  expect(withoutHints(result.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
});

/** The second start changed nothing: socket file, PID file, state, and the pool answers. */
async function expectUntouched(place: Place, pool: Pool, target: Address['target']): Promise<void> {
  expect(readFileSync(place.pidFile, 'utf8')).toBe(String(pool.pid));
  expect(readPoolState(place)).toMatchObject({ pid: pool.pid, phase: 'serving' });
  await visit(target);
  expect(isAlive(pool.pid)).toBe(true);
  if ('path' in target) expect(statSync(target.path).isSocket()).toBe(true);
}

function stateFiles({ stateDir }: Place): string[] {
  mkdirSync(stateDir, { recursive: true });
  return readdirSync(stateDir).map((name) => join(stateDir, name));
}
