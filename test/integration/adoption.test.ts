// The next start after a supervisor was killed: it takes the socket back from the workers, which serve on until its own
// are up (docs/handover.md). Facts in a state file move nothing unless the kernel confirms them.
import { describe, expect, test } from 'vitest';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, readStat } from '../helpers/processes.ts';
import { needRoot } from '../helpers/requirements.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { isLocked, killSupervisor, makeEchoPlace, readPoolState, transports } from './echo-pool.ts';
import { ctl } from './fake-supervisor.ts';
import {
  endPool,
  events,
  expectNothingLeft,
  fullPool,
  hintsOf,
  makePlace,
  onlyWorker,
  run,
  start,
  visit,
  waitForEvents,
  type Place,
} from './place.ts';
import { startRequests } from './request-load.ts';

describe.for(transports)('after a SIGKILL to the supervisor on %s', (transport) => {
  test('the next start under load refuses and loses nothing, and has all files', async () => {
    const place = await makeEchoPlace(transport);
    const { address, target } = place;
    const first = await start(place, ['-F', '3', '-P', place.pidFile], [], { address });
    const workers = await fullPool(first, 3);
    const load = startRequests(target);
    await killSupervisor(first);
    const next = await start(place, ['-F', '2', '-P', place.pidFile], [], { address });
    await waitFor('the end of the old workers', () => !workers.some((pid) => isAlive(pid)));
    const answered = load.tally.answered;
    await waitFor('more answers', () => load.tally.answered > answered + 20);
    const { lost } = await load.stop();
    expect(lost).toEqual([]);
    expect(await fullPool(next, 2)).toHaveLength(2);
    expect(readFileSync(place.pidFile, 'utf8')).toBe(String(next.pid));
    expect(await isLocked(place)).toBe(true);
    expect(readPoolState(place)).toMatchObject({ pid: next.pid, phase: 'serving' });
    expect((await ctl(place.stateDir, ['ping', String(next.pid)])).status).toBe(0);
    await endPool(place, next);
    await expectNothingLeft(place);
  });
});

test('a worker that the dead supervisor had stopped goes on, and is ended', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  process.kill(first.pid, 'SIGKILL');
  process.kill(worker, 'SIGSTOP');
  await waitFor('the stop', () => readStat(worker)?.state === 'T');
  const next = await start(place);
  await waitFor('the end of the old worker', () => !isAlive(worker));
  await visit({ path: place.socket });
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('a start that fails leaves the old workers in service, and the next one finds them', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  const failed = await run(place, [], ['exit=3']);
  expect(failed).toMatchObject({ status: 3, stdout: '' });
  expect(isAlive(worker)).toBe(true);
  await visit({ path: place.socket });
  const next = await start(place);
  await waitFor('the end of the old worker', () => !isAlive(worker));
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('a socket whose file is gone is of no use: it is bound anew, and the old workers end', async () => {
  const place = makePlace();
  const first = await start(place);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  rmSync(place.socket);
  const next = await start(place);
  await visit({ path: place.socket });
  await waitFor('the end of the old worker', () => !isAlive(worker));
  await endPool(place, next);
  await expectNothingLeft(place);
});

test('workers of another user than the new pool shall have are named, and left alone', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const first = await start(place, ['-u', 'nobody', '-g', 'nogroup']);
  const worker = await onlyWorker(first);
  await killSupervisor(first);
  const refused = await run(place, ['-u', 'daemon', '-g', 'daemon']);
  expect(refused).toMatchObject({ status: 255, stdout: '' });
  expect(hintsOf(refused.stderr).join('\n')).toContain(String(worker));
  expect(isAlive(worker)).toBe(true);
  await visit({ path: place.socket });
});

describe('a state file that is wrong about', () => {
  const forgeries = [
    ['the start time of a process', (bystander: number) => ({ pid: bystander, startTime: '1' })],
    [
      'what a process serves',
      (bystander: number) => ({ pid: bystander, startTime: readStat(bystander)?.startTime ?? '' }),
    ],
  ] as const;

  test.for(forgeries)('%s moves no signal and opens no descriptor', async ([, forge]) => {
    const place = makePlace();
    const other = makePlace();
    const bystander = await onlyWorker(await start(other));
    const first = await start(place);
    const worker = await onlyWorker(first);
    // Written after the command has returned.
    await waitForEvents(place, 'pool-up');
    await killSupervisor(first);
    process.kill(worker, 'SIGKILL');
    await waitFor('the end of the worker', () => !isAlive(worker));
    writeWorkers(place, [{ slot: 0, ...forge(bystander) }]);
    const next = await start(place);
    await waitForEvents(place, 'pool-up', 2);
    await visit({ path: place.socket });
    expect(isAlive(bystander)).toBe(true);
    expect(readStat(bystander)?.state).not.toBe('T');
    expect(events(place, 'killed')).toEqual([]);
    await endPool(place, next);
    await visit({ path: other.socket });
    expect(isAlive(bystander)).toBe(true);
  });
});

function writeWorkers({ stateDir }: Place, workers: readonly object[]): void {
  const name = readdirSync(stateDir).find((file) => file.endsWith('.state')) ?? '';
  const state = JSON.parse(readFileSync(join(stateDir, name), 'utf8')) as object;
  writeFileSync(join(stateDir, name), JSON.stringify({ ...state, workers }));
}
