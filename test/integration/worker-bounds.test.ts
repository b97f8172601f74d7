// The bounds of `--workers MIN-MAX`: what `scale` and signals make of them, what becomes of the number of workers in a
// reload and under another supervisor, and `auto`.
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const quick = ['--settle', '0', '--min-uptime', '1ms'];

function scale(place: pools.Place, word: string): Promise<machine.RunResult> {
  return pools.ctl(place.stateDir, ['scale', place.socket, word]);
}

async function boundsOf(place: pools.Place): Promise<unknown> {
  const { wanted, scaling } = await pools.statusOf(place);
  return scaling && [wanted, scaling.min, scaling.max];
}

test('scale sets them, sets a number for good, and moves the number within them', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, [...quick, '--workers', '2-4']);
  expect(await boundsOf(place)).toEqual([2, 2, 4]);
  const said: [string, number, string, unknown][] = [
    ['+1', 0, '3 workers of 2-4', [3, 2, 4]],
    ['+9', 0, '4 workers of 2-4', [4, 2, 4]],
    ['+1', 1, '4 workers of 2-4 already', [4, 2, 4]],
    ['1-3', 0, '3 workers of 1-3', [3, 1, 3]],
    ['5-6', 0, '5 workers of 5-6', [5, 5, 6]],
    ['-1', 1, '5 workers of 5-6 already', [5, 5, 6]],
    ['1', 0, '1 worker', [1, 1, 1]],
    ['-1', 0, '1 worker', [1, 1, 1]],
    ['2', 0, '2 workers', [2, 2, 2]],
    ['+1', 0, '3 workers', [3, 3, 3]],
    ['2-4', 0, '3 workers of 2-4', [3, 2, 4]],
  ];
  for (const [word, status, text, bounds] of said) {
    const result = await scale(place, word);
    expect([word, result.status, result.stdout + result.stderr]).toEqual([
      word,
      status,
      expect.stringMatching(new RegExp(`^(spawn-fcgictl: )?${text}\n$`)),
    ]);
    expect(await boundsOf(place)).toEqual(bounds);
  }
  await pools.endPool(place, pool);
});

test('a pool of a fixed number gets bounds by scale', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, [...quick, '-F', '2']);
  expect(await boundsOf(place)).toBeUndefined();
  expect(await scale(place, '1-2')).toMatchObject({ status: 0, stdout: '2 workers of 1-2\n' });
  expect(await boundsOf(place)).toEqual([2, 1, 2]);
  await pools.endPool(place, pool);
});

test('a signal moves the number within them, and the log says when it cannot', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place, [...quick, '--workers', '1-2']);
  process.kill(pool.pid, 'SIGTTIN');
  await pools.fullPool(pool, 2);
  process.kill(pool.pid, 'SIGTTIN');
  const [warning] = await pools.waitForEvents(place, 'warning');
  expect(warning).toMatchObject({ message: 'not scaled: there are 2 workers already, of 1-2' });
  process.kill(pool.pid, 'SIGTTOU');
  await pools.fullPool(pool, 1);
  expect(await boundsOf(place)).toEqual([1, 1, 2]);
  await pools.endPool(place, pool);
});

describe('a pool that has grown', () => {
  test('keeps its number and its bounds over a reload, and what is asked for meanwhile comes at its end', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, [...quick, '--workers', '1-4']);
    await scale(place, '+2');
    const before = await pools.fullPool(pool, 3);
    const reload = pools.ctl(place.stateDir, ['reload', place.socket]);
    await pools.waitForEvents(place, 'reload-started');
    const answer = await scale(place, '2-5');
    expect(answer.status).toBe(0);
    expect(await reload).toMatchObject({ status: 0 });
    await pools.fullPool(pool, 3, before);
    expect(await boundsOf(place)).toEqual([3, 2, 5]);
    await pools.endPool(place, pool);
  });

  test.each([
    ['1-4', [3, 1, 4]],
    ['1-2', [2, 1, 2]],
    ['5-6', [5, 5, 6]],
    ['2', undefined],
  ])('has as many under the next supervisor, within the bounds of that: %s', async (range, bounds) => {
    const place = pools.makePlace();
    const first = await pools.start(place, [...quick, '--workers', '1-4']);
    await scale(place, '+2');
    await pools.fullPool(first, 3);
    const second = await pools.start(place, [...quick, '--replace', '--workers', range]);
    expect(await boundsOf(place)).toEqual(bounds);
    await machine.waitFor('the end of the first supervisor', () => !machine.isAlive(first.pid));
    await pools.fullPool(second, bounds?.[0] ?? 2);
    await pools.endPool(place, second);
  });

  test('has as many after a kill -9, but none of what scale has set', async () => {
    const place = pools.makePlace();
    const first = await pools.start(place, [...quick, '--workers', '1-4']);
    await scale(place, '3');
    await pools.fullPool(first, 3);
    await pools.killSupervisor(first);
    const second = await pools.start(place, [...quick, '--workers', '1-4']);
    expect(await boundsOf(place)).toEqual([3, 1, 4]);
    await pools.fullPool(second, 3);
    await pools.endPool(place, second);
  });
});

describe('auto', () => {
  test('is the processors that the command may use, with every model', async (ctx) => {
    machine.needCommands(ctx, 'taskset');
    const place = pools.makePlace();
    const onOne = (options: readonly string[], own: readonly string[]): Promise<machine.RunResult> =>
      machine.runCommand(
        'taskset',
        ['-c', '0', pools.oursPath, ...own, ...options, '--', place.app, 'serve'],
        {
          cwd: place.dir,
        },
      );
    const supervised = ['-s', place.socket, '--state-dir', place.stateDir, '--log', place.log];
    expect(await onOne(['-F', 'auto'], supervised)).toMatchObject({ status: 0, stderr: '' });
    expect((await pools.statusOf(place)).scaling).toMatchObject({ min: 1, max: 1, processors: 1 });
    await pools.ctl(place.stateDir, ['stop', place.socket]);
    expect(await onOne(['-F', '3-auto'], supervised)).toMatchObject({ status: 0 });
    expect(await boundsOf(place)).toEqual([3, 3, 3]);
    await pools.ctl(place.stateDir, ['stop', place.socket]);
    const bare = await onOne(['-F', 'auto', '--no-supervise'], ['-s', place.socket]);
    expect(pools.printedPids(bare.stdout)).toHaveLength(1);
    pools.killAllOf(place);
    await pools.expectNoProcess(place);
  });

  test('is told to a terminal', async (ctx) => {
    machine.needCommands(ctx, 'script');
    const place = pools.makePlace();
    const terminal = machine.onTerminal('"$@"', [
      pools.oursPath,
      ...pools.commandLine(place, ['-F', 'auto']),
    ]);
    expect(await terminal.ended).toBe(0);
    expect(terminal.output()).toMatch(/hint: auto: this process may use (\d+) processors?, so \1 workers?/);
    await pools.ctl(place.stateDir, ['stop', place.socket]);
    await pools.expectNoProcess(place);
  });
});

test('a range and --no-supervise exclude each other', async () => {
  const place = pools.makePlace();
  expect(await pools.run(place, ['--no-supervise', '--workers', '2-4'])).toMatchObject({
    status: 255,
    stderr: expect.stringContaining('--no-supervise and -F 2-4') as string,
  });
});
