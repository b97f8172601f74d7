// --no-supervise: a start that is interrupted or fails leaves no process, whole sessions included.
import { expect, test } from 'vitest';
import { join } from 'node:path';
import { oursPath, startForeground } from '../helpers/pool/command-under-test.ts';
import { isAlive, readStat } from '../helpers/machine/processes.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { expectNothingLeft, makePlace, waitForPids, type Place } from '../helpers/pool/place.ts';

/** Workers leave a process in their group and one in a group of its own, and note their PIDs in the report. */
function unsupervised(place: Place, actions: readonly string[], workers = 1): string[] {
  const family = [`child=${place.report}`, `group=${place.report}`];
  const options = ['-s', place.socket, '-P', place.pidFile, '-F', String(workers)];
  return ['--no-supervise', ...options, '--', place.app, ...family, ...actions];
}

test('a start without a supervisor that is interrupted leaves nothing, children of workers included', async () => {
  const place = makePlace();
  const mark = join(place.dir, 'stopped');
  const command = startForeground(unsupervised(place, [`stop-parent=${mark}`, 'hang']), { cwd: place.dir });
  await waitForPids(place.report, 2);
  const [worker = 0] = await waitForPids(mark);
  const parent = await waitFor('the stopped parent', () => {
    const pid = readStat(worker)?.parent ?? 0;
    return readStat(pid)?.state === 'T' && pid;
  });
  process.kill(command.pid, 'SIGTERM');
  await waitFor('the end of the command', () => !isAlive(command.pid));
  process.kill(parent, 'SIGCONT');
  await expectNothingLeft(place);
});

test('a start without a supervisor whose workers fail leaves nothing, children of workers included', async () => {
  const place = makePlace();
  const result = await runCommand(oursPath, unsupervised(place, ['exit=3'], 2), { cwd: place.dir });
  expect(result.status).toBe(3);
  expect(await waitForPids(place.report, 4)).toHaveLength(4);
  await expectNothingLeft(place);
});
