// Starts a pool of idle php-cgi, and times its reload until all of them are new.
import { spawnSync } from 'node:child_process';
import { childrenOf } from '../helpers/machine/processes.ts';
import { reload, reloadsEnded } from '../helpers/pool/reload.ts';
import { oursServing } from './commands.ts';
import { runToReturn } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import { summarize, type Sample } from './statistics.ts';
import { freshAddress, freshPath, type Workplace } from './workplace.ts';

export interface IdlePool {
  workers: number;
  /** The php-cgi. */
  program: string;
  rounds: number;
}

/** From calling `spawn-fcgictl reload --early` to its return, the trial of a second included. */
export function timeEarlyReload(place: Workplace, wish: IdlePool): Promise<Sample> {
  const args = (pid: number): string[] => [
    '--state-dir',
    `${place.dir}/state`,
    'reload',
    '--early',
    `${pid}`,
  ];
  return timeReloads(place, wish, '1s', async (pid, eventLog, round) => {
    const { status, stderr } = spawnSync(`${place.ours}ctl`, args(pid), {
      encoding: 'utf8',
      timeout: 60_000,
    });
    if (status !== 0) throw new Error(`reload --early: status ${status}\n${stderr}`);
    const ms = performance.now();
    await reloadsEnded(eventLog, round + 1);
    return ms;
  });
}

/** From HUP to the end of a reload without a trial's second and without a watch. */
export function timeUnwatchedReload(place: Workplace, wish: IdlePool): Promise<Sample> {
  return timeReloads(place, wish, '0', async (pid, eventLog) => {
    const { result } = await reload({ pool: { pid }, eventLog });
    if (result !== 'reloaded') throw new Error(`a reload ended as ${result}`);
    return performance.now();
  });
}

/** `run` gives the moment at which it was done. */
async function timeReloads(
  place: Workplace,
  { workers, program, rounds }: IdlePool,
  settle: string,
  run: (pid: number, eventLog: string, round: number) => Promise<number>,
): Promise<Sample> {
  const eventLog = freshPath(place, 'log');
  const wish = { address: await freshAddress(place, 'Unix'), workers, program };
  const options = ['--log', eventLog, '--log-format', 'json', '--settle', settle];
  const [pid] = runToReturn(place, oursServing(place, wish, options)).pids;
  if (pid === undefined) throw new Error('the pool printed no PID');
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now();
    times.push((await run(pid, eventLog, round)) - begin);
  }
  const children = childrenOf(pid);
  children.forEach(remember);
  await endAll([pid]);
  await endAll(children);
  return summarize(times);
}
