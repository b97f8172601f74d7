// Guards with real processes: a worker is replaced without losing its request, whatever it takes; what happens when its
// successor cannot come up, when the program is too large from its start, and in the middle of other operations.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { awaitedLater, isAlive, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho, fastcgiRequest } from '../helpers/web/index.ts';

const aged = ['--max-age', '1s'];

/** A request that is answered when the test lets it be. */
function holdAt(place: pools.EchoPlace): { answer: Promise<string>; release(): void } {
  const fifo = join(place.dir, 'hold');
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  // Opened for both ends, so that it takes no turn of the program's.
  const descriptor = openSync(fifo, 'r+');
  const parameters = { REQUEST_METHOD: 'GET', QUERY_STRING: `hold=${fifo}` };
  const asked = fastcgiRequest(place.target, parameters, '', { timeoutMs: 30_000 });
  const answer = awaitedLater(asked.then(({ stdout }) => stdout));
  return { answer, release: () => closeSync(descriptor) };
}

/** Replacements by a guard, not those of a reload. */
async function waitForReplaced(place: pools.Place, count: number): Promise<pools.LoggedEvent[]> {
  return waitFor(`${count} replacements`, () => {
    const replaced = pools.events(place, 'worker-replaced').filter(({ guard }) => guard !== undefined);
    return replaced.length >= count && replaced;
  });
}

describe('--max-age', () => {
  test('replaces one worker after the other, of the same generation, and status says so', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [...aged, '-F', '2']);
    const first = await pools.fullPool(pool, 2);
    const replaced = await waitForReplaced(place, 3);
    for (const event of replaced)
      expect(event).toMatchObject({
        guard: 'max-age',
        generation: 1,
        reason: expect.stringContaining('old'),
      });
    expect(replaced.slice(0, 2).map(({ formerPid }) => formerPid)).toEqual(expect.arrayContaining(first));
    const status = await pools.statusOf(place);
    expect(status.replaced?.['max-age']).toBeGreaterThanOrEqual(2);
    expect(status.workers.map(({ restarts }) => restarts)).toEqual(status.workers.map(() => 0));
    await pools.endPool(place, pool);
    expect(pools.events(place, 'worker-ended')).toEqual([]);
  });

  test('waits for a request as long as it takes, beyond --stop-timeout, with the new worker at work beside it', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, [...aged, '--stop-timeout', '100ms'], []);
    const old = await pools.onlyWorker(pool);
    const held = holdAt(place);
    const [replaced] = await waitForReplaced(place, 1);
    expect(replaced).toMatchObject({ formerPid: old });
    await waitFor('a look after --stop-timeout', async () => {
      const { operation } = await pools.statusOf(place);
      return (
        operation?.kind === 'replacement' && operation.sinceMs > 1000 && operation.step.startsWith('ending')
      );
    });
    expect((await askEcho(place.target)).pid).toBe(replaced?.['workerPid']);
    expect(isAlive(old)).toBe(true);
    held.release();
    expect(await held.answer).toContain(` ${old} `);
    await waitFor('the end of the old worker', () => !isAlive(old));
    expect(pools.events(place, 'request-cut')).toEqual([]);
  });

  test('leaves a worker in service whose program is gone, and tells of it once', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, aged);
    const worker = await pools.onlyWorker(pool);
    rmSync(place.app);
    const [failed] = await pools.waitForEvents(place, 'replacement-failed');
    expect(failed).toMatchObject({ slot: 0, workerPid: worker, guard: 'max-age', delayMs: 10_000 });
    expect(failed?.['error']).toContain('No such file or directory');
    const { workers, replaced, operation } = await pools.statusOf(place);
    expect(workers).toMatchObject([{ pid: worker, state: 'running' }]);
    expect([replaced, operation]).toEqual([{}, null]);
    await pools.endPool(place, pool);
  });

  test('is the business of the supervisor that takes the pool over, by its own options', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['--max-age', '1h']);
    const pool = await pools.start(place, [...aged, '--replace', '--min-uptime', '50ms']);
    const [replaced] = await waitForReplaced(place, 1);
    expect(replaced).toMatchObject({ guard: 'max-age' });
    await pools.endPool(place, pool);
  });

  test('leaves nobody behind when its supervisor is killed in the middle of it, and the request is answered', async () => {
    const place = await pools.makeEchoPlace();
    const options = ['--stop-timeout', '30s'];
    const killed = await pools.start(place, [...aged, ...options], []);
    const old = await pools.onlyWorker(killed);
    const held = holdAt(place);
    const [replaced] = await waitForReplaced(place, 1);
    await pools.killSupervisor(killed);
    expect([isAlive(old), isAlive(Number(replaced?.['workerPid']))]).toEqual([true, true]);
    const pool = await pools.start(place, options, []);
    held.release();
    expect(await held.answer).toContain(` ${old} `);
    await waitFor('the end of both', () => !isAlive(old) && !isAlive(Number(replaced?.['workerPid'])));
    expect(await pools.fullPool(pool, 1)).toHaveLength(1);
    await pools.endPool(place, pool);
  });

  test('makes way for a reload', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [...aged, '-F', '2', '--settle', '50ms', '--min-uptime', '50ms']);
    await waitForReplaced(place, 1);
    const { status, stdout } = await pools.ctl(place.stateDir, ['reload', place.socket]);
    expect({ status, stdout }).toMatchObject({ status: 0 });
    await waitForReplaced(place, 3);
    await pools.endPool(place, pool);
  });
});

describe('--max-memory', () => {
  const library = compileC(fixture('leak.c'), { flags: ['-shared', '-fPIC'], libs: ['dl'] });
  const leaking = (...variables: string[]): string[] =>
    [`LD_PRELOAD=${library}`, ...variables].flatMap((variable) => ['--env', variable]);

  test('replaces a worker that has grown', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--max-memory', '8M', ...leaking('LEAK_PER_REQUEST=4096')]);
    const first = await pools.onlyWorker(pool);
    // Who leaks before the first look, after a second, has never been seen within the limit.
    await waitFor('two looks', async () => (await pools.statusOf(place)).uptimeMs > 2500);
    for (let visit = 0; visit < 3; visit++) await pools.visit({ path: place.socket });
    const [replaced] = await waitForReplaced(place, 1);
    expect(replaced).toMatchObject({ guard: 'max-memory', formerPid: first });
    expect(replaced?.['reason']).toMatch(/^its memory was 1[0-9]M \(--max-memory 8M\)$/);
    await pools.endPool(place, pool);
  });

  test('tells of a program that has more from its start once, and leaves its workers alone', async () => {
    const place = pools.makePlace();
    const options = ['--max-memory', '4M', '-F', '2', ...leaking('LEAK_FROM_START=8192')];
    const pool = await pools.start(place, options);
    const workers = await pools.fullPool(pool, 2);
    const [told] = await pools.waitForEvents(place, 'over-from-start');
    expect(told).toMatchObject({ generation: 1, guard: 'max-memory', limitBytes: 4 * 1024 ** 2 });
    process.kill(workers[0] ?? 0, 'SIGKILL');
    await pools.waitForEvents(place, 'worker-ended');
    // The guard has looked at the successor by the time that it has counted another second.
    const looks = (await pools.statusOf(place)).uptimeMs;
    await waitFor('two more looks', async () => (await pools.statusOf(place)).uptimeMs > looks + 2200);
    expect(pools.events(place, 'over-from-start')).toHaveLength(1);
    expect(pools.events(place, 'worker-replaced')).toEqual([]);
    expect(isAlive(workers[1] ?? 0)).toBe(true);
    await pools.endPool(place, pool);
  });
});
