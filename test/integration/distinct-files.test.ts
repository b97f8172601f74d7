// Files of one pool, and of two pools, that are the same file: refused with one line before anything is changed.
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, signalProcess, readStat, freePort, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

describe('one pool', () => {
  const X = 'run/w1.pid';
  test.for([
    [['-P', X, '--worker-pid-file', X], '-P and --worker-pid-file'],
    [['-P', X, '--worker-pid-file', 'run/w%i.pid', '-F', '3'], '-P and --worker-pid-file'],
    [['-P', X, '--log', X], '-P and --log'],
    [['--log', X, '--worker-pid-file', './run/../run/w%i.pid', '-F', '2'], '--log and --worker-pid-file'],
    [['-P', X, '--output', 'run/w%i.pid', '-F', '2'], '-P and --output'],
    [['-P', 'run/app.sock'], '-s and -P'],
    [['--output', 'run/app.sock'], '-s and --output'],
    [['--worker-pid-file', 'run/app.sock'], '-s and --worker-pid-file'],
    [['--log', 'link/app.sock'], '-s and --log'],
  ] as const)('with %j', async ([options, flags]) => {
    const place = pools.makePlace();
    symlinkSync('run', join(place.dir, 'link'));
    const result = await pools.run(place, options);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(result.stderr)).toMatch(
      new RegExp(`^spawn-fcgi: ${flags} name the same file: '[^']*'$`),
    );
    await pools.expectNothingLeft(place);
  });
});

describe('two pools', () => {
  const other = async (): Promise<{ address: string[] }> => ({
    address: ['-a', '127.0.0.1', '-p', String(await freePort())],
  });

  test.for(['--worker-pid-file', '-P'])(
    'a worker PID file of a running pool is refused as %s',
    async (flag) => {
      const place = pools.makePlace();
      const pattern = join(place.runDir, 'w%i.pid');
      const pool = await pools.start(place, ['-F', '2', '--worker-pid-file', pattern]);
      await pools.fullPool(pool, 2);
      const path = pattern.replace('%i', '1');
      const before = readFileSync(path, 'utf8');
      const result = await pools.run(place, [flag, path], ['serve'], await other());
      expect(result.status).toBe(255);
      expect(pools.withoutHints(result.stderr)).toBe(
        `spawn-fcgi: PID-file '${path}' belongs to a running pool (PID ${before})`,
      );
      expect(pools.hintsOf(result.stderr)).toEqual([
        'nothing was changed; give each pool a PID file of its own',
      ]);
      expect(readFileSync(path, 'utf8')).toBe(before);
      await pools.endPool(place, pool);
      await pools.expectNothingLeft(place);
    },
  );

  test('a file that names a worker of a running pool by chance is used', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--worker-pid-file', join(place.runDir, 'w.pid')]);
    const worker = await pools.onlyWorker(pool);
    const stale = join(place.runDir, 'stale.pid');
    writeFileSync(stale, String(worker));
    const second = await pools.start(place, ['--worker-pid-file', stale], ['serve'], await other());
    expect(readFileSync(stale, 'utf8')).toBe(String(await pools.onlyWorker(second)));
  });

  test('the files of workers whose supervisor was killed are used by the next start', async () => {
    const place = pools.makePlace();
    const options = ['--worker-pid-file', join(place.runDir, 'w.pid')];
    const pool = await pools.start(place, options);
    const worker = await pools.onlyWorker(pool);
    signalProcess(pool.pid, readStat(pool.pid)?.startTime ?? 0, 'SIGKILL');
    await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
    const next = await pools.start(place, options);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect(readFileSync(join(place.runDir, 'w.pid'), 'utf8')).toBe(String(await pools.onlyWorker(next)));
    const replaced = await pools.start(place, [...options, '--replace']);
    expect(readFileSync(join(place.runDir, 'w.pid'), 'utf8')).toBe(String(await pools.onlyWorker(replaced)));
  });
});
