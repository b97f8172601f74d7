// The state file: room for it is asked for at the start, and at every moment it has a whole text.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { parsePoolState, type PoolState } from '../../src/core/pool-state.ts';
import { libc } from '../../src/sys/libc/libc.ts';
import { StateFile } from '../../src/sys/file/state-file.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

describe('a state directory without room', () => {
  /** Runs the script with the state directory on a disk of one page, which is full. */
  function runOnFullDisk(
    place: pools.Place,
    script: string,
    args: readonly string[],
  ): Promise<machine.RunResult> {
    mkdirSync(place.stateDir, { recursive: true });
    const fill = `head -c 4096 /dev/zero >'${place.stateDir}/fill'`;
    const mount = `mount -t tmpfs -o size=4k,mode=755 tmpfs '${place.stateDir}' && ${fill}`;
    return machine.runCommand(
      'unshare',
      ['--mount', '/bin/sh', '-c', `${mount}; ${script}`, 'sh', pools.oursPath, ...args],
      {
        cwd: place.dir,
      },
    );
  }

  test('that was named is refused, and nothing is left', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = pools.makePlace();
    const script = `"$@"; status=$?; ls '${place.stateDir}'; exit $status`;
    const result = await runOnFullDisk(place, script, pools.commandLine(place, ['-P', place.pidFile]));
    expect(result).toMatchObject({ status: 255, stdout: 'fill\n' });
    expect(pools.withoutHints(result.stderr)).toBe(
      `spawn-fcgi: --state-dir cannot be used: ${place.stateDir}: No space left on device`,
    );
    expect(pools.filesOf(place)).toEqual([]);
  });

  test('by default is not used, with a hint, and a second start is refused at once', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = pools.makePlace();
    const args = ['-s', place.socket, '-P', place.pidFile, '--log', place.log, '--', place.app, 'serve'];
    const script = `mount --bind '${place.stateDir}' /run; "$@"; first=$?; "$@"; echo "$first $?"`;
    const result = await runOnFullDisk(place, script, args);
    expect(result.stdout).toMatch(/^0 255$/m);
    expect(pools.hintsOf(result.stderr)[0]).toMatch(
      /^no lock and no state file for this pool: .*No space left on device/,
    );
    expect(pools.withoutHints(result.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
    await pools.visit({ path: place.socket });
    process.kill(pools.printedPids(result.stdout)[0] ?? 0, 'SIGTERM');
    await pools.expectNoProcess(place);
  });
});

test('a start beside a lock whose holder is unknown says what is known, and which file it is', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  // It may have something to write still.
  process.kill(pool.pid, 'SIGSTOP');
  const [lock, state] = ['.lock', '.state'].map((suffix) =>
    join(place.stateDir, readdirSync(place.stateDir).find((name) => name.endsWith(suffix)) ?? ''),
  );
  truncateSync(state ?? '');
  const second = await pools.run(place, ['--stop-timeout', '50ms']);
  expect(second.status).toBe(255);
  expect(pools.withoutHints(second.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
  expect(pools.hintsOf(second.stderr)[0]).toContain(
    `another process holds ${lock}, and ${state} does not say which`,
  );
  process.kill(pool.pid, 'SIGCONT');
  expect(machine.isAlive(pool.pid)).toBe(true);
  await pools.visit({ path: place.socket });
});

test('a start waits up to its own --stop-timeout for a lock whose holder is unknown', async () => {
  const place = pools.makePlace();
  mkdirSync(place.stateDir);
  // Held by whom nobody knows, as by a pool whose state was lost.
  const lock = join(place.stateDir, `${place.socket.replaceAll('/', '%2F')}.lock`);
  const holder = openSync(lock, 'w', 0o600);
  expect(libc.flock(holder, 2)).toBe(0);
  const waiting = pools.startStaying(place, ['--stop-timeout', '20s']);
  const first = await machine.waitFor('the start', () => switchesOf(waiting.pid) || undefined);
  await machine.waitFor('the start at the lock', () => switchesOf(waiting.pid) > first + 20);
  closeSync(holder);
  await machine.waitFor('the pool', () => waiting.stdout().includes('spawned successfully'));
  await pools.visit({ path: place.socket });
  await waiting.stop();
});

/** It has its name since before it looked for the lock, and wakes up for nothing else. */
function switchesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return /^Name:\s*app$/m.test(status) ? Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1]) : 0;
}

describe('the file', () => {
  const pool: PoolState = {
    version: 1,
    phase: 'serving',
    name: 'app',
    address: '/run/app.sock',
    pid: 4711,
    startTime: '1',
    sockets: ['9001'],
    workerUid: 0,
    control: undefined,
    stopTimeoutMs: 9000,
    pidFile: undefined,
    workers: [],
  };

  const withWorkers = (count: number): PoolState => ({
    ...pool,
    workers: Array.from({ length: count }, (_unused, slot) => ({
      slot,
      pid: 70_000 + slot,
      startTime: '12345',
    })),
  });

  function open(): { path: string; descriptor: number } {
    const path = join(machine.makeTempDir(), 'a.state');
    const descriptor = openSync(path, 'w+');
    machine.atEnd(() => closeSync(descriptor));
    return { path, descriptor };
  }

  const read = (path: string): PoolState | undefined => parsePoolState(readFileSync(path, 'utf8'));

  test('has the last state whatever sizes it had, by whichever writer', () => {
    const { path, descriptor } = open();
    const writers = [new StateFile(descriptor), new StateFile(descriptor)] as const;
    const step = fc.record({ workers: fc.integer({ min: 0, max: 300 }), isFirst: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        for (const { workers, isFirst } of steps) {
          const [writer, other] = isFirst ? writers : [writers[1], writers[0]];
          writer.write(withWorkers(workers));
          other.forget();
          expect(read(path)).toEqual(JSON.parse(JSON.stringify(withWorkers(workers))));
        }
      }),
    );
  });

  test('has the state before it when a write ended anywhere in it', () => {
    const { path, descriptor } = open();
    const file = new StateFile(descriptor);
    for (const workers of [100, 3, 200, 90, 91]) {
      const before = readFileSync(path);
      const stateBefore = read(path);
      file.write(withWorkers(workers));
      const after = readFileSync(path);
      const changed = after.findIndex((byte, index) => byte !== before[index]);
      for (let end = changed; end < after.length - 1; end += 511) {
        const torn = Buffer.concat([after.subarray(0, end), before.subarray(end)]);
        const found = parsePoolState(torn.toString());
        expect([JSON.stringify(stateBefore), JSON.stringify(read(path))]).toContain(JSON.stringify(found));
      }
    }
  });

  test('does not grow by being written again and again', () => {
    const { path, descriptor } = open();
    const file = new StateFile(descriptor);
    for (let count = 0; count < 100; count++) file.write(withWorkers(1));
    expect(statSync(path).size).toBeLessThanOrEqual(4096);
    expect(readdirSync(join(path, '..'))).toEqual(['a.state']);
  });
});
