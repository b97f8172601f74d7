// Pools on a socket that somebody else has opened: test/fixtures/socket-giver.c in front of the command.
import { compileC, fixture } from '../build/index.ts';
import { readStat, runCommand, waitFor, type RunResult } from '../machine/index.ts';
import * as commandUnderTest from './command-under-test.ts';
import { commandLine, type Place } from './place.ts';

/** What socket-giver opens, and how it tells of it. */
type Settings = readonly string[];

const giver = (): string => compileC(fixture('socket-giver.c'));

function givenLine(place: Place, settings: Settings, options: readonly string[]): string[] {
  const isSupervised =
    options.includes('--supervise') || !/^(?:-n|--no-supervise)$/m.test(options.join('\n'));
  const line = isSupervised
    ? commandLine(place, options, ['serve'], { address: [] })
    : [...options, '--', place.app, `report=${place.report}`, 'serve'];
  return [...settings, '--', commandUnderTest.oursPath, ...line];
}

/** A command that stays, as `-n` does. */
export function startStayingGiven(
  place: Place,
  settings: Settings,
  options: readonly string[] = [],
): commandUnderTest.ForegroundPool {
  const line = givenLine(place, settings, ['-n', ...options]);
  return commandUnderTest.startForeground(line, { command: giver(), cwd: place.dir });
}

/** A supervisor in the foreground, once its pool is up. */
export async function startGiven(
  place: Place,
  settings: Settings,
  options: readonly string[] = [],
): Promise<commandUnderTest.ForegroundPool> {
  const pool = startStayingGiven(place, settings, ['--supervise', ...options]);
  await waitForPool(pool);
  return pool;
}

/** A command that ends by itself: in the background, or refused. */
export function runGiven(
  place: Place,
  settings: Settings,
  options: readonly string[] = [],
): Promise<RunResult> {
  return runCommand(giver(), givenLine(place, settings, options), { cwd: place.dir });
}

/** A process that keeps these sockets open, as systemd does, and gives each as `from=PID:NUMBER`; numbers begin with 3. */
export async function keepSockets(settings: Settings): Promise<number> {
  const args = [...settings, '--', '/bin/sleep', '600'];
  const { pid } = commandUnderTest.startForeground(args, { command: giver() });
  await waitFor('sockets that are kept', () => readStat(pid)?.comm === 'sleep');
  return pid;
}

/** A supervisor in the foreground that this command line becomes, once its pool is up. */
export async function startBehindGiver(
  { dir }: Place,
  settings: Settings,
  line: readonly string[],
): Promise<commandUnderTest.ForegroundPool> {
  const pool = commandUnderTest.startForeground([...settings, '--', ...line], { command: giver(), cwd: dir });
  await waitForPool(pool);
  return pool;
}

async function waitForPool(pool: commandUnderTest.ForegroundPool): Promise<void> {
  const hasEnded = (): boolean => [undefined, 'Z'].includes(readStat(pool.pid)?.state);
  await waitFor('the pool, or its end', () => pool.stdout().includes('spawned successfully') || hasEnded());
  if (hasEnded()) throw new Error(`the pool did not start: ${pool.stderr()}`);
}
