// What a rolling reload does in each of its stages when something comes in between: a stop, a death, another operation;
// and which release a worker is of (docs/internals/reload.md).
import { readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { atEnd, isAlive, readOpenFiles, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho } from '../helpers/web/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];

describe('a deploy that switches a link', () => {
  test('reaches workers by a reload only: one that is killed before comes back in its own release', async () => {
    const place = await pools.makeEchoPlace();
    const { releases, target } = place;
    const pool = await pools.start(place, [...quick, '-d', releases.current], []);
    const first = await pools.onlyWorker(pool);
    releases.make('2');
    releases.switchTo('2');
    process.kill(first, 'SIGKILL');
    const second = await pools.onlyWorker(pool, [first]);
    expect(await askEcho(target)).toEqual({ pid: second, release: '1' });
    expect(directoryOf(second)).toBe(join(place.dir, 'releases/1'));
    expect(await reload(place)).toMatchObject({ status: 0 });
    const third = await pools.onlyWorker(pool, [second]);
    expect(await askEcho(target)).toEqual({ pid: third, release: '2' });
    expect(directoryOf(third)).toBe(join(place.dir, 'releases/2'));
    releases.make('3');
    releases.switchTo('3');
    process.kill(third, 'SIGKILL');
    // It could accept with its last breath.
    await waitFor('its end', () => !isAlive(third));
    expect(await askEcho(target)).toMatchObject({ release: '2' });
  });

  test('in the middle of a reload mixes nothing, and an old worker that dies then stays of its release', async () => {
    const place = await pools.makeEchoPlace();
    const { releases } = place;
    const pool = await pools.start(place, [...quick, '-F', '2', '--stop-timeout', '10m'], []);
    await pools.fullPool(pool, 2);
    const held = [await hold(place, 1), await hold(place, 2)];
    releases.make('2');
    releases.switchTo('2');
    const asked = reload(place);
    await pools.waitForEvents(place, 'worker-replaced');
    releases.make('3');
    releases.switchTo('3');
    const old = (await pools.statusOf(place)).workers.find(
      ({ state, generation }) => state === 'running' && generation === 1,
    );
    process.kill(old?.pid ?? 0, 'SIGKILL');
    const heir = await waitFor('the heir of the old worker', async () =>
      (await pools.statusOf(place)).workers.find(
        ({ slot, pid, state }) => slot === old?.slot && pid !== old.pid && state === 'running',
      ),
    );
    expect(heir.generation).toBe(1);
    expect(readlinkSync(`/proc/${heir.pid}/exe`)).toBe(releases.programOf('1'));
    for (const socket of held) socket.destroy();
    expect(await asked).toMatchObject({ status: 0 });
    const exes = pools.workersOf(pool).map((pid) => readlinkSync(`/proc/${pid}/exe`));
    expect(exes).toEqual([releases.programOf('2'), releases.programOf('2')]);
  });
});

describe('a release that passes its trial', () => {
  test('and dies after 0.7 s in service is replaced by the old one, and the command says 1', async () => {
    const place = pools.makePlace();
    const options = ['--settle', '5s', '--min-uptime', '50ms', '-F', '2'];
    const pool = await pools.start(place, options, [...whenNew(place, 'alarm=700'), 'serve']);
    const before = await pools.fullPool(pool, 2);
    flag(place);
    const done = await reload(place);
    expect(done.status).toBe(1);
    expect(done.stderr).toContain('was killed by SIGALRM');
    expect(pools.events(place, 'worker-replaced').length).toBeGreaterThanOrEqual(2);
    const workers = await pools.fullPool(pool, 2, before);
    expect((await pools.statusOf(place)).workers).toMatchObject(workers.map(() => ({ generation: 1 })));
    await pools.visit({ path: place.socket });
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('and dies with 0.7 s of life replaces nobody when it has to live for a second first', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '2'], [...whenNew(place, 'alarm=700'), 'serve']);
    const before = await pools.fullPool(pool, 2);
    flag(place);
    expect(await reload(place)).toMatchObject({ status: 1 });
    expect(pools.workersOf(pool)).toEqual(before);
    expect(pools.events(place, 'worker-replaced')).toEqual([]);
  });

  test('and is not up in time in its slot is given up with 3', async () => {
    const place = pools.makePlace();
    const options = [...quick, '--ready-timeout', '700ms', '-F', '2'];
    const pool = await pools.start(place, options, hangsAfterTrial(place));
    const before = await pools.fullPool(pool, 2);
    flag(place);
    const done = await reload(place);
    expect(done.status).toBe(3);
    expect(done.stderr).toContain(
      'reload to generation 2 timed out, the old workers (generation 1) are in service: ',
    );
    expect(pools.workersOf(pool)).toEqual(before);
    expect((await pools.statusOf(place)).lastReload).toMatchObject({ result: 'timed-out' });
  });

  test('and dies when the old program is gone too leaves what there is in service, and says 2', async () => {
    const place = await pools.makeEchoPlace();
    const { releases, target } = place;
    const pool = await pools.start(place, ['--settle', '30s', '--min-uptime', '50ms', '-F', '2'], []);
    await pools.fullPool(pool, 2);
    releases.make('2');
    releases.switchTo('2');
    const asked = reload(place);
    await waitForStage(place, 'settling');
    renameSync(join(place.dir, 'releases/1'), join(place.dir, 'releases/gone'));
    const [victim = 0] = pools.workersOf(pool);
    process.kill(victim, 'SIGKILL');
    const done = await asked;
    expect(done.status).toBe(2);
    expect(done.stderr).toContain('the old program is gone too');
    expect(await askEcho(target)).toMatchObject({ release: '2' });
    // Whatever ends from now on comes back from the path that is there.
    await pools.fullPool(pool, 2, [victim]);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('and falls within --settle of the last step is rolled back', async () => {
    const place = await pools.makeEchoPlace();
    const { releases, target } = place;
    const pool = await pools.start(place, ['--settle', '30s', '--min-uptime', '30ms', '-F', '2'], []);
    releases.make('2');
    releases.switchTo('2');
    const asked = reload(place);
    await waitForStage(place, 'settling');
    process.kill(pools.workersOf(pool)[1] ?? 0, 'SIGKILL');
    expect(await asked).toMatchObject({ status: 1 });
    expect(await askEcho(target)).toMatchObject({ release: '1' });
    expect((await pools.statusOf(place)).workers.map(({ generation }) => generation)).toEqual([1, 1]);
  });
});

describe('TERM ends all of both generations', () => {
  test('while a release is on trial', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--settle', '30s', '--min-uptime', '30s']);
    await expectStopped(place, pool, 'probing');
  });

  test('while a new worker is not up yet', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, quick, hangsAfterTrial(place));
    flag(place);
    await expectStopped(place, pool, 'trying');
  });

  test('while an old worker finishes its request', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, quick, []);
    const held = await hold(place, 1);
    await expectStopped(place, pool, 'replacing', () => held.destroy());
  });

  test('while the new ones are watched', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--settle', '30s', '--min-uptime', '50ms']);
    await expectStopped(place, pool, 'settling');
  });

  test('while the old generation is put back', async () => {
    const place = await pools.makeEchoPlace();
    const options = ['--settle', '30s', '--min-uptime', '50ms', '--stop-timeout', '10m', '-F', '2'];
    const pool = await pools.start(place, options, []);
    const asked = reload(place);
    await waitForStage(place, 'settling');
    const held = await hold(place, 1);
    const idle = (await pools.statusOf(place)).workers.find(({ activity }) => activity === 'idle');
    process.kill(idle?.pid ?? 0, 'SIGKILL');
    await waitForStage(place, 'restoring');
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopping');
    held.destroy();
    expect(await asked).toMatchObject({ status: 1 });
    await pools.expectNothingLeft(place);
  });
});

describe('one operation at a time:', () => {
  test('a restart during a reload waits --ready-timeout, then is refused and says since when', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['--settle', '30s', '--min-uptime', '50ms', '--ready-timeout', '2s']);
    const asked = reload(place);
    await waitForStage(place, 'settling');
    const refused = await pools.ctl(place.stateDir, ['restart', place.socket]);
    expect(refused).toMatchObject({ status: 6, stdout: '' });
    expect(refused.stderr).toMatch(/^spawn-fcgictl: busy: reload since \d+ s\n$/);
    expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
    expect(await asked).toMatchObject({ status: 1 });
  });

  test('a restart during a reload that ends in time is carried out after it', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['--settle', '3s', '--min-uptime', '50ms']);
    const asked = reload(place);
    await waitForStage(place, 'settling');
    expect(await pools.ctl(place.stateDir, ['restart', place.socket])).toMatchObject({ status: 0 });
    expect(await asked).toMatchObject({ status: 0 });
    expect(operationsOf(place)).toEqual([
      'reload-started',
      'reload-finished',
      'restart-started',
      'restart-finished',
    ]);
  });

  test.for(['HUP', 'spawn-fcgictl'] as const)(
    'a reload by %s during a restart comes after it',
    async (how) => {
      const place = await pools.makeEchoPlace();
      const pool = await pools.start(place, quick, []);
      const held = await hold(place, 1);
      const asked = pools.ctl(place.stateDir, ['restart', place.socket]);
      await pools.waitForEvents(place, 'restart-started');
      const reloaded = how === 'HUP' ? process.kill(pool.pid, 'SIGHUP') : reload(place);
      held.destroy();
      expect(await asked).toMatchObject({ status: 0 });
      await reloaded;
      await pools.waitForEvents(place, 'reload-finished');
      expect(operationsOf(place)).toEqual([
        'restart-started',
        'restart-finished',
        'reload-started',
        'reload-finished',
      ]);
    },
  );

  test('TTIN and TTOU during a reload are applied at its end', async () => {
    const place = await pools.makeEchoPlace();
    const pool = await pools.start(place, [...quick, '--stop-timeout', '10m', '-F', '3'], []);
    for (const [round, signal, before, wanted] of [
      [1, 'SIGTTOU', 3, 2],
      [2, 'SIGTTIN', 2, 3],
    ] as const) {
      // One of the old workers keeps the reload from its end.
      const held = await hold(place, 1);
      const asked = reload(place);
      await pools.waitForEvents(place, 'reload-started', round);
      process.kill(pool.pid, signal);
      await waitFor('the wish', async () => (await pools.statusOf(place)).wanted === wanted);
      const { workers } = await pools.statusOf(place);
      expect(workers.filter(({ state }) => state === 'running')).toHaveLength(before);
      held.destroy();
      expect(await asked).toMatchObject({ status: 0 });
      await pools.fullPool(pool, wanted);
    }
    await pools.waitForEvents(place, 'scaled', 2);
    const names = pools.events(place).map(({ event }) => event);
    expect(names.filter((name) => name === 'reload-finished' || name === 'scaled')).toEqual([
      'reload-finished',
      'scaled',
      'reload-finished',
      'scaled',
    ]);
  });
});

describe('a release that makes the shared socket non-blocking', () => {
  test('is refused with what to do instead, and the socket stays as it was', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, quick, [...whenNew(place, 'nonblock'), 'serve']);
    const worker = await pools.onlyWorker(pool);
    flag(place);
    const refused = await reload(place);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      'makes the shared socket non-blocking, which the workers in service do not: use restart',
    );
    expect(pools.workersOf(pool)).toEqual([worker]);
    expect(isNonBlocking(worker)).toBe(false);
    await pools.visit({ path: place.socket });
    expect(await pools.ctl(place.stateDir, ['restart', place.socket])).toMatchObject({ status: 0 });
    const next = await pools.onlyWorker(pool, [worker]);
    expect(isNonBlocking(next)).toBe(true);
    await pools.visit({ path: place.socket });
    // And from then on reloads are as any.
    expect(await reload(place)).toMatchObject({ status: 0 });
    await pools.visit({ path: place.socket });
  });
});

test('a restart whose new workers do not come up says 1, and the next try is that of any failed start', async () => {
  const place = pools.makePlace();
  const options = [...quick, '--restart-delay', '20ms', '--restart-max-delay', '50ms'];
  const pool = await pools.start(place, options, [...whenNew(place, 'exit=3'), 'serve']);
  const worker = await pools.onlyWorker(pool);
  flag(place);
  const done = await pools.ctl(place.stateDir, ['restart', place.socket]);
  expect(done).toMatchObject({ status: 1, stdout: '' });
  expect(done.stderr).toContain('not every new worker came up');
  expect(isAlive(worker)).toBe(false);
  renameSync(join(place.dir, 'new'), join(place.dir, 'healed'));
  await pools.visit({ path: place.socket });
  await pools.onlyWorker(pool);
});

/** The new release is one in which the flag is there. */
function flag({ dir }: pools.Place): void {
  writeFileSync(join(dir, 'new'), '');
}

function whenNew({ dir }: pools.Place, action: string): string[] {
  return [`when=${join(dir, 'new')}`, action];
}

/** Of the new release the first worker serves, that is the one on trial, and the others hang. */
function hangsAfterTrial({ dir }: pools.Place): string[] {
  const isNew = `when=${join(dir, 'new')}`;
  return [isNew, `once=${join(dir, 'tried')}`, 'serve', isNew, 'hang', 'serve'];
}

function reload(place: pools.Place): ReturnType<typeof pools.ctl> {
  return pools.ctl(place.stateDir, ['reload', place.socket]);
}

async function waitForStage(place: pools.Place, stage: string): Promise<void> {
  await waitFor(`the stage ${stage}`, async () =>
    (await pools.statusOf(place)).operation?.step.startsWith(stage),
  );
}

/** `letEnd` lets the workers end that wait for something. */
async function expectStopped(
  place: pools.Place,
  pool: { pid: number },
  stage: string,
  letEnd: () => void = () => undefined,
): Promise<void> {
  const asked = reload(place);
  await waitForStage(place, stage);
  process.kill(pool.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  letEnd();
  expect(await asked).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('stopping') as string,
  });
  await pools.expectNothingLeft(place);
}

function operationsOf(place: pools.Place): string[] {
  return pools
    .events(place)
    .map(({ event }) => event)
    .filter((name) => /^(?:reload|restart)-/.test(name));
}

/** A connection that a worker has accepted and waits on, the `count`th of the pool. */
async function hold(place: pools.EchoPlace, count: number): Promise<Socket> {
  const connection = connect({ path: place.socket });
  connection.on('error', () => undefined);
  atEnd(() => {
    connection.destroy();
  });
  await waitFor('a busy worker', async () => (await pools.statusOf(place)).busy === count);
  return connection;
}

function directoryOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/cwd`);
}

function isNonBlocking(pid: number): boolean {
  const listening = readOpenFiles(pid).find(({ fd }) => fd === 0);
  return ((listening?.flags ?? 0) & 0o4000) !== 0;
}
