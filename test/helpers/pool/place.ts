// A directory for one test with everything that its pool makes, and a worker that does what the test says. Whatever
// still runs for the directory when the test ends is killed, by PID.
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { compileC, fixture } from '../build/index.ts';
import * as machine from '../machine/index.ts';
import * as commandUnderTest from './command-under-test.ts';

export interface Place {
  dir: string;
  /** The worker's program: test/fixtures/scripted-worker.c under this name. */
  app: string;
  /** Socket and PID files go here; empty before and, after a clean end, after. */
  runDir: string;
  stateDir: string;
  socket: string;
  pidFile: string;
  /** Workers append a line a start, with the action `report=`. */
  report: string;
  /** The supervisor's events, a JSON object a line. */
  log: string;
}

export function makePlace(): Place {
  const dir = machine.makeTempDir();
  const place = {
    dir,
    app: join(dir, 'app'),
    runDir: join(dir, 'run'),
    stateDir: join(dir, 'state'),
    socket: join(dir, 'run/app.sock'),
    pidFile: join(dir, 'run/app.pid'),
    report: join(dir, 'report'),
    log: join(dir, 'events.log'),
  };
  fs.copyFileSync(compileC(fixture('scripted-worker.c')), place.app);
  fs.mkdirSync(place.runDir);
  fs.writeFileSync(place.report, '');
  // Workers may run as another user.
  fs.chmodSync(place.report, 0o666);
  machine.atEnd(() => killAllOf(place));
  return place;
}

export interface StartOptions extends commandUnderTest.PoolOptions {
  /** Instead of `-s SOCKET`. */
  address?: readonly string[];
}

/** The command line of a pool in this place: options, then what its workers do. */
export function commandLine(
  place: Place,
  options: readonly string[],
  actions: readonly string[] = ['serve'],
  { address = ['-s', place.socket] }: StartOptions = {},
): string[] {
  // A client that says nothing is at work, unless the test means it otherwise.
  const own = [
    '--state-dir',
    place.stateDir,
    '--log',
    place.log,
    '--log-format',
    'json',
    '--keepalive-quiet',
    '1h',
  ];
  return [...address, ...own, ...options, '--', place.app, `report=${place.report}`, ...actions];
}

/** Starts a pool in the background and expects it to be up. */
export function start(
  place: Place,
  options: readonly string[] = [],
  actions?: readonly string[],
  how: StartOptions = {},
): Promise<commandUnderTest.Pool> {
  return commandUnderTest.startPool(commandLine(place, options, actions, how), { cwd: place.dir, ...how });
}

/** The same, for a start whose outcome is the test's subject. */
export function run(
  place: Place,
  options: readonly string[] = [],
  actions?: readonly string[],
  how: StartOptions = {},
): Promise<machine.RunResult> {
  return machine.runCommand(commandUnderTest.oursPath, commandLine(place, options, actions, how), {
    cwd: place.dir,
    ...how,
  });
}

/** Starts a pool in the foreground. */
export function startStaying(
  place: Place,
  options: readonly string[] = [],
  actions?: readonly string[],
  how: StartOptions = {},
): commandUnderTest.ForegroundPool {
  return commandUnderTest.startForeground(commandLine(place, ['-n', ...options], actions, how), {
    cwd: place.dir,
    ...how,
  });
}

/** Living children of the supervisor, in the order of their starts: PIDs begin anew behind the highest. */
export function workersOf({ pid }: { pid: number }): number[] {
  const most = Number(fs.readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
  const distance = (child: number): number => (child - pid + most) % most;
  return machine
    .childrenOf(pid)
    .filter((child) => machine.isAlive(child))
    .toSorted((a, b) => distance(a) - distance(b));
}

/** Waits for `count` living workers, none of them one of `ended`. */
export function fullPool(pool: { pid: number }, count = 1, ended: readonly number[] = []): Promise<number[]> {
  return machine.waitFor(`${count} workers`, () => {
    const workers = workersOf(pool);
    const areNew = workers.every((pid) => !ended.includes(pid) && hasExecuted(pid, pool.pid));
    return workers.length === count && areNew && workers;
  });
}

/** Between fork and exec a worker still is its supervisor; the kernel sets its arguments last of all. */
function hasExecuted(pid: number, supervisor: number): boolean {
  const own = attempt(() => fs.readlinkSync(`/proc/${pid}/exe`));
  const isOwn = own !== undefined && own !== attempt(() => fs.readlinkSync(`/proc/${supervisor}/exe`));
  return isOwn && Boolean(attempt(() => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8')));
}

export async function onlyWorker(pool: { pid: number }, ended: readonly number[] = []): Promise<number> {
  const [pid = 0] = await fullPool(pool, 1, ended);
  return pid;
}

export interface WorkerStart {
  pid: number;
  atMs: number;
}

export function starts({ report }: Place): WorkerStart[] {
  return fs
    .readFileSync(report, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [pid = 0, atMs = 0] = line.split(' ').map(Number);
      return { pid, atMs };
    });
}

export function waitForStarts(place: Place, count: number): Promise<WorkerStart[]> {
  return machine.waitFor(`${count} worker starts`, () => {
    const all = starts(place);
    return all.length >= count && all;
  });
}

/** PIDs that processes have appended to a file. */
export function waitForPids(file: string, count = 1): Promise<number[]> {
  return machine.waitFor(`${count} PIDs in ${file}`, () => {
    const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
    return lines.filter(Boolean).length >= count && lines.map((line) => Number.parseInt(line, 10));
  });
}

export type LoggedEvent = Record<string, unknown> & { event: string };

export function events({ log }: Pick<Place, 'log'>, name?: string): LoggedEvent[] {
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
  const all = lines.map((line) => JSON.parse(line) as LoggedEvent);
  return name === undefined ? all : all.filter(({ event }) => event === name);
}

export function waitForEvents(place: Place, name: string, count = 1): Promise<LoggedEvent[]> {
  return machine.waitFor(`${count} times the event ${name}`, () => {
    const found = events(place, name);
    return found.length >= count && found;
  });
}

/** Connects and waits until the other side has closed. */
export function visit(target: { path: string } | { port: number; host: string }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const connection = connect(target);
  connection.once('error', reject);
  connection.once('close', () => resolve());
  connection.resume();
  return machine.awaitedLater(promise);
}

/** Living processes that run for this place: by working directory, command line or environment. */
export function processesOf({ dir }: Place): machine.Stat[] {
  return machine
    .allStats()
    .filter(({ pid, state }) => pid !== process.pid && state !== 'Z' && state !== 'X' && mentions(pid, dir));
}

function mentions(pid: number, dir: string): boolean {
  return (
    attempt(() => fs.readlinkSync(`/proc/${pid}/cwd`))?.includes(dir) ||
    attempt(() => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.includes(dir) ||
    attempt(() => fs.readFileSync(`/proc/${pid}/environ`, 'utf8'))?.includes(dir) ||
    false
  );
}

/** Processes come and go while they are looked at, and some may not be looked into. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Ends what still runs for it, by PID. */
export function killAllOf(place: Place): void {
  for (const { pid, startTime } of processesOf(place)) machine.signalProcess(pid, startTime, 'SIGKILL');
}

/** Waits until no process is left, then expects no file of the pool. */
export async function expectNothingLeft(place: Place, files: readonly string[] = []): Promise<void> {
  await expectNoProcess(place);
  expect(filesOf(place)).toEqual(files);
}

export async function expectNoProcess(place: Place): Promise<void> {
  const isEmpty = (): boolean => processesOf(place).length === 0;
  await machine.waitFor('the end of all processes', isEmpty, { timeoutMs: 5_000 }).catch((cause: unknown) => {
    throw new Error(`still there: ${JSON.stringify(processesOf(place))}`, { cause });
  });
}

/** What a pool has made: in run/ and in state/. */
export function filesOf({ dir, runDir, stateDir }: Place): string[] {
  return [runDir, stateDir]
    .flatMap((path) => (fs.existsSync(path) ? fs.readdirSync(path).map((name) => join(path, name)) : []))
    .map((path) => path.slice(dir.length + 1))
    .toSorted();
}

/** The path of one of the files that the only pool of the place has in its state directory. */
export function poolFile({ stateDir }: Place, ending: '.ctl' | '.lock' | '.state'): string {
  return join(stateDir, fs.readdirSync(stateDir).find((name) => name.endsWith(ending)) ?? '');
}

/** What a command printed on stderr, without hints; and only them. */
export function withoutHints(stderr: string): string {
  return linesOf(stderr)
    .filter((line) => !isHint(line))
    .join('\n');
}

export function hintsOf(stderr: string): string[] {
  return linesOf(stderr)
    .filter(isHint)
    .map((line) => line.replace(/^spawn-fcgi: hint: /, ''));
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(Boolean);
}

function isHint(line: string): boolean {
  return line.startsWith('spawn-fcgi: hint: ');
}

/** Ends a pool by TERM to its supervisor and waits for its end. */
export async function endPool(place: Place, pool: { pid: number }): Promise<void> {
  process.kill(pool.pid, 'SIGTERM');
  await expectNoProcess(place);
}
