// `npm run demo`: the life of a pool before your eyes, with the commands that you would type yourself.
// Starts the FastCGI program in test/fixtures, sends it requests, kills a worker, stops the pool, looks what is left.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { placeResponder, RESPONDER, unprivilegedUser } from '../helpers/build/responder-for.ts';
import * as processes from '../helpers/machine/processes.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { fastcgiRequest } from '../helpers/web/fastcgi-client.ts';

const WORKERS = 3;
const COMMAND_TIMEOUT_MS = 60_000;
const checkout = join(import.meta.dirname, '../..');
const user = unprivilegedUser();
// Root's own temporary directory may be closed to the workers' user.
const dir = mkdtempSync(join(user ? '/tmp' : tmpdir(), 'spawn-fcgi-demo-'));
const runDir = join(dir, 'run');
const socketPath = join(runDir, 'demo.sock');
const pidFile = join(runDir, 'demo.pid');
const logFile = join(dir, 'demo.log');

/** Start time by PID of everything that the demo has seen of the pool. */
const seen = new Map<number, number>();
let steps = 0;
let answered = 0;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}

try {
  await demonstrate();
  console.log(`\nThe demo worked: ${answered} of ${answered} requests answered, nothing is left.`);
} catch (error) {
  console.log(`\nThe demo FAILED: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  cleanUp();
}

async function demonstrate(): Promise<void> {
  const { supervisor, workers } = start();
  await answerFrom('each worker', workers);
  const [victim, ...others] = workers;
  if (victim === undefined) throw new Error('the pool has no worker');
  const successor = await killWorker(supervisor, victim, others);
  await answerFrom('the successor', [successor]);
  await stop(supervisor);
}

function start(): { supervisor: number; workers: number[] } {
  step(`Start ${WORKERS} workers on a Unix socket${user ? `, as user ${user.name}` : ''}.`);
  makeDirs();
  const program = placeResponder(dir, user);
  const options = [
    '-s',
    socketPath,
    '-P',
    pidFile,
    '-F',
    String(WORKERS),
    '--state-dir',
    join(dir, 'state'),
    '--log',
    logFile,
  ];
  if (user) options.push('-u', user.name);
  const output = shell(['bin/spawn-fcgi', ...options, '--', ...program].map(quote).join(' '));
  const supervisor = Number(/PID: (\d+)$/m.exec(output)?.[1]);
  if (!processes.isAlive(supervisor)) throw new Error(`there is no supervisor with the PID that was printed`);
  const workers = workersOf(supervisor);
  for (const pid of [supervisor, ...workers]) remember(pid);
  tell(`supervisor ${supervisor}, workers ${workers.join(', ')}, all ${describeUser(workers)}`);
  if (workers.length !== WORKERS) throw new Error(`expected ${WORKERS} workers`);
  return { supervisor, workers };
}

/** The pool removes its socket and PID file at the end, for which the directory has to be the workers' user's. */
function makeDirs(): void {
  chmodSync(dir, 0o755);
  mkdirSync(runDir);
  if (user) chownSync(runDir, user.uid, user.gid);
}

/** Sends requests, several at a time, until all of these workers have answered one. */
async function answerFrom(whom: string, workers: readonly number[]): Promise<void> {
  step(`Send FastCGI requests to the socket until ${whom} has answered.`);
  const answers = new Map<number, number>();
  const before = answered;
  await waitFor(`an answer of ${workers.join(' and ')}`, async () => {
    const pids = await Promise.all(Array.from({ length: WORKERS * 2 }, request));
    for (const pid of pids) answers.set(pid, (answers.get(pid) ?? 0) + 1);
    return workers.every((pid) => answers.has(pid));
  });
  const shares = [...answers].map(([pid, count]) => `worker ${pid} answered ${count}`);
  tell(`${answered - before} requests: ${shares.join(', ')}`);
}

/** One request; returns the PID of the worker that answered. */
async function request(): Promise<number> {
  const query = `number=${answered}&sleep=10`;
  const params = {
    REQUEST_METHOD: 'GET',
    SCRIPT_NAME: '/demo',
    QUERY_STRING: query,
    SERVER_PROTOCOL: 'HTTP/1.1',
  };
  const { stdout, appStatus } = await fastcgiRequest({ socketPath }, params);
  const pid = Number(/^GET \S+ (\d+)/m.exec(stdout)?.[1]);
  if (appStatus !== 0 || !stdout.includes(query) || !(pid > 0)) throw new Error(`a wrong answer: ${stdout}`);
  answered += 1;
  return pid;
}

/** Kills one worker and goes on asking; returns the PID of its successor. */
async function killWorker(supervisor: number, victim: number, others: readonly number[]): Promise<number> {
  step(
    'Kill one worker the hard way, and send requests at once: they wait in the socket or go to the others.',
  );
  shell(`kill -9 ${victim}`);
  const [successor, requests] = await Promise.all([
    waitFor('a successor of the killed worker', () => newWorker(supervisor, [victim, ...others])),
    Promise.all(Array.from({ length: WORKERS * 2 }, request)),
  ]);
  remember(successor);
  tell(`${requests.length} requests, all answered`);
  tell(`worker ${victim} is dead, worker ${successor} has its place`);
  return successor;
}

function newWorker(supervisor: number, known: readonly number[]): number | undefined {
  return workersOf(supervisor).find((pid) => !known.includes(pid));
}

/** Children that run the program; the supervisor has others for moments, such as one that is not yet a worker. */
function workersOf(supervisor: number): number[] {
  return processes
    .childrenOf(supervisor)
    .filter((pid) => processes.readProcess(pid)?.args.includes(join(dir, RESPONDER)));
}

async function stop(supervisor: number): Promise<void> {
  step('Stop the pool, and see what it logged.');
  if (readFileSync(pidFile, 'utf8') !== String(supervisor))
    throw new Error('the PID file does not name the supervisor');
  shell(`kill $(cat ${quote(pidFile)})`);
  await waitFor('the end of every process of the pool', () => leftProcesses().length === 0);
  await waitFor('the end of socket and PID file', () => leftFiles().length === 0);
  shell(`cat ${quote(logFile)}`);
  tell(
    `processes left: ${leftProcesses().length}, files left: ${leftFiles().length} (no socket, no PID file)`,
  );
}

function leftProcesses(): number[] {
  const known = [...seen].filter(([pid, startTime]) => processes.isAlive(pid, startTime)).map(([pid]) => pid);
  return [...new Set([...known, ...[...seen.keys()].flatMap(processes.sessionMembers)])];
}

function leftFiles(): string[] {
  return [socketPath, pidFile].filter((path) => existsSync(path));
}

function remember(pid: number): void {
  const startTime = processes.readProcess(pid)?.startTime;
  if (startTime !== undefined) seen.set(pid, startTime);
}

function describeUser(pids: readonly number[]): string {
  const uids = new Set(pids.map((pid) => processes.readProcess(pid)?.status['Uid']?.split('\t')[0]));
  return `with uid ${[...uids].join(', ')}`;
}

function step(text: string): void {
  steps += 1;
  console.log(`\n${steps}. ${text}`);
}

function tell(text: string): void {
  console.log(`   ${text}`);
}

/** Shows a command as typed in a shell, runs it, shows what it printed; throws when it fails. */
function shell(commandLine: string): string {
  tell(`$ ${commandLine}`);
  const { status, signal, stdout, stderr } = spawnSync('sh', ['-c', commandLine], {
    cwd: checkout,
    encoding: 'utf8',
    timeout: COMMAND_TIMEOUT_MS,
  });
  for (const line of `${stdout}${stderr}`.split('\n').filter(Boolean)) tell(line);
  if (status !== 0) throw new Error(`the command ended with ${signal ?? `status ${status}`}`);
  return stdout;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** What a failed or interrupted demo leaves is ended by PID, never by name. */
function cleanUp(): void {
  for (const pid of leftProcesses().flatMap(processes.childrenOf)) remember(pid);
  for (const [pid, startTime] of seen) processes.signalProcess(pid, startTime, 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
}
