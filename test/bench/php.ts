// The PHP of this machine: php-cgi for pools; php-fpm, whose reload by USR2 is timed.
import { writeFileSync } from 'node:fs';
import { childrenOf } from '../helpers/machine/processes.ts';
import { findCommand } from '../helpers/machine/requirements.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { startInForeground } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import { summarize, type Sample } from './statistics.ts';
import { freshPath, type Workplace } from './workplace.ts';

export function findPhpCgi(): string | undefined {
  return findCommand('php-cgi');
}

/** A static pool, once it is installed; `settings` are global ones. */
export function startFpm(
  place: Workplace,
  workers: number,
  settings = '',
): { pid: number; socketPath: string } {
  const path = place.peers['php-fpm']?.path;
  if (path === undefined) throw new Error('php-fpm is not installed');
  const [config, socketPath] = [freshPath(place, 'conf'), freshPath(place, 'sock')];
  const user = process.getuid?.() === 0 ? 'user = nobody\ngroup = nogroup\n' : '';
  const pool = `[bench]\nlisten = ${socketPath}\n${user}pm = static\npm.max_children = ${workers}\n`;
  writeFileSync(
    config,
    `[global]\nerror_log = ${freshPath(place, 'log')}\ndaemonize = no\n${settings}${pool}`,
  );
  const { pid } = startInForeground({ file: path, args: ['-n', '-F', '-y', config] });
  return { pid, socketPath };
}

/** The same with all of its workers, which end with it. */
export async function startIdleFpm(
  place: Workplace,
  workers: number,
): Promise<{ name: 'php-fpm'; pid: number }> {
  const { pid } = startFpm(place, workers);
  await untilOthers(pid, workers, []);
  return { name: 'php-fpm', pid };
}

/** From USR2 until all workers are others; undefined where it is not installed. */
export async function timeFpm(
  place: Workplace,
  workers: number,
  rounds: number,
): Promise<Sample | undefined> {
  if (place.peers['php-fpm'] === undefined) return undefined;
  const { pid } = startFpm(place, workers);
  let before = await untilOthers(pid, workers, []);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now();
    process.kill(pid, 'SIGUSR2');
    before = await untilOthers(pid, workers, before);
    times.push(performance.now() - begin);
  }
  await endAll([pid]);
  await endAll(before);
  return summarize(times);
}

/** All workers, once none of them is one of those. */
export async function untilOthers(
  pid: number,
  workers: number,
  before: readonly number[],
): Promise<number[]> {
  const children = await waitFor(
    'other workers of php-fpm',
    () => {
      const now = childrenOf(pid);
      return now.length === workers && !now.some((child) => before.includes(child)) && now;
    },
    { intervalMs: 1, timeoutMs: 10_000 },
  );
  children.forEach(remember);
  return children;
}
