// --no-supervise: a start that is interrupted or fails leaves no process, whole sessions included.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isAlive, readStat, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** Workers leave a process in their group and one in a group of its own, and note their PIDs in the report. */
function unsupervised(place: pools.Place, actions: readonly string[], workers = 1): string[] {
  const family = [`child=${place.report}`, `group=${place.report}`];
  const options = ['-s', place.socket, '-P', place.pidFile, '-F', String(workers)];
  return ['--no-supervise', ...options, '--', place.app, ...family, ...actions];
}

test('a start without a supervisor that is interrupted leaves nothing, children of workers included', async () => {
  const place = pools.makePlace();
  const mark = join(place.dir, 'stopped');
  const command = pools.startForeground(unsupervised(place, [`stop-parent=${mark}`, 'hang']), {
    cwd: place.dir,
  });
  await pools.waitForPids(place.report, 2);
  const [worker = 0] = await pools.waitForPids(mark);
  const parent = await waitFor('the stopped parent', () => {
    const pid = readStat(worker)?.parent ?? 0;
    return readStat(pid)?.state === 'T' && pid;
  });
  process.kill(command.pid, 'SIGTERM');
  await waitFor('the end of the command', () => !isAlive(command.pid));
  process.kill(parent, 'SIGCONT');
  await pools.expectNothingLeft(place);
});

test('a start without a supervisor whose workers fail leaves nothing, children of workers included', async () => {
  const place = pools.makePlace();
  const result = await runCommand(pools.oursPath, unsupervised(place, ['exit=3'], 2), { cwd: place.dir });
  expect(result.status).toBe(3);
  expect(await pools.waitForPids(place.report, 4)).toHaveLength(4);
  await pools.expectNothingLeft(place);
});
