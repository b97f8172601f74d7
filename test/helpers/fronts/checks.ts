// What is tried of an application through each web server: eight checks, each with an outcome in a word or two.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as machine from '../machine/index.ts';
import * as pools from '../pool/index.ts';
import { siteWorkers } from '../site/index.ts';
import type { Held } from '../web/index.ts';
import { leaveDuringAnswer, leaveDuringBody } from './exchange.ts';
import type { ServerName, ServedSite } from './page-lines.ts';
import { ok, type Installation, type Verdict, type Tested } from './tested.ts';

export const checks = [
  'GET',
  'HEAD',
  '10 MB body',
  '5 MB answer',
  'client leaves',
  'kill -9',
  'reload',
  'stop',
] as const;
export type Check = (typeof checks)[number];
const HEADS = 5;

export type Finding = Map<ServerName, Map<Check, Verdict>>;

/** An application with its files in place and a port at each server. */
export interface Candidate {
  tested: Tested;
  installation: Installation;
  site: ServedSite;
  dir: string;
}

/** The pool of a candidate while its checks go on. */
interface Running extends Candidate {
  pool: pools.Pool;
  eventLog: string;
  found: Finding;
}

/** Runs them all, on one pool; resolves when it has ended. */
export async function tryCandidate(candidate: Candidate): Promise<Finding> {
  const running = await startCandidate(candidate);
  const { installation, found, site } = running;
  const servers = Object.entries(site.ports) as [ServerName, number][];
  const note = (server: ServerName, check: Check, outcome: Verdict): void =>
    void found.set(server, (found.get(server) ?? new Map<Check, Verdict>()).set(check, outcome));
  for (const [server, port] of servers) {
    const key = server.toLowerCase();
    note(server, 'GET', await installation.get(port));
    note(server, 'HEAD', await worstOf(HEADS, () => installation.head(port)));
    note(server, '10 MB body', await installation.upload(port, key));
    note(server, '5 MB answer', await installation.download(port, key));
    note(server, 'client leaves', await leave(running, port));
  }
  for (const [check, tryAll] of [
    ['kill -9', killAll],
    ['reload', reloadAll],
    ['stop', stopAll],
  ] as const) {
    const outcomes = await tryAll(running, servers);
    servers.forEach(([server], number) => note(server, check, outcomes[number] ?? 'no outcome'));
  }
  return found;
}

/** The first that is not well: HAProxy only fails when the body that should not be there comes along with the header. */
async function worstOf(times: number, look: () => Promise<Verdict>): Promise<Verdict> {
  for (let n = 1; n < times; n += 1) {
    const outcome = await look();
    if (outcome !== ok) return outcome;
  }
  return look();
}

async function startCandidate(candidate: Candidate): Promise<Running> {
  const { tested, installation, site, dir } = candidate;
  const temporary = join(dir, 'tmp');
  if (machine.isRoot) machine.giveAway(dir, machine.NOBODY);
  const eventLog = join(dir, 'events.log');
  mkdirSync(temporary, { recursive: true });
  if (machine.isRoot) machine.giveAway(temporary, machine.NOBODY);
  const args = [
    '-s',
    site.socket,
    '-M',
    '0666',
    '-F',
    String(tested.workers),
    '--settle',
    '50ms',
    ...(machine.isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : []),
    '--state-dir',
    join(dir, 'state'),
    '--log',
    eventLog,
    '--log-format',
    'json',
  ];
  const environment = { ...process.env, TMPDIR: temporary, HOME: temporary, ...installation.env };
  machine.atEnd(() => machine.killMarkedProcesses(dir));
  const pool = await pools.startPool([...args, '--', ...installation.command], {
    env: machine.withMark(environment, dir),
  });
  const running = { ...candidate, pool, eventLog, found: new Map() };
  await fullPool(running);
  return running;
}

/** Waits until every slot has a worker that is not one of `ended`. */
function fullPool({ pool, tested }: Running, ended: readonly number[] = []): Promise<number[]> {
  return machine.waitFor('a full pool', () => {
    const workers = siteWorkers(pool);
    return workers.length === tested.workers && !workers.some((pid) => ended.includes(pid)) && workers;
  });
}

/** In the middle of an answer, and of a body. Afterwards every worker is there and at nothing, and the next is served. */
async function leave(running: Running, port: number): Promise<Verdict> {
  const { pool, installation } = running;
  const before = siteWorkers(pool);
  await leaveDuringAnswer(port, installation.large);
  await leaveDuringBody(port, installation.upstream);
  const isIdle = await machine
    .waitFor('idle workers', () => areIdle(running), { intervalMs: 50 })
    .then(
      () => true,
      () => false,
    );
  const workers = await fullPool(running);
  const next = await installation.get(port);
  if (next !== ok) return `then ${next}`;
  if (!isIdle) return 'a worker stays at it';
  return before.some((pid) => !workers.includes(pid)) ? 'a worker ends' : ok;
}

/**
 * No connection is open; or the supervisor knows better: flup leaves some open that nobody works on any more. One of these
 * may have bytes that nobody has read, which is a request to the supervisor.
 */
async function areIdle({ pool, dir, site, tested }: Running): Promise<boolean> {
  if (siteWorkers(pool).every((pid) => socketsOf(pid) <= 1)) return true;
  const { stdout } = await pools.ctl(join(dir, 'state'), ['status', '--json', site.socket]);
  if (pools.readPools(stdout || '[]')[0]?.idle === tested.workers) return true;
  return tested.forgetsConnections === true && (await isHungUp(site.socket));
}

/** No web server is there any more at the other end of a connection to that socket. */
async function isHungUp(socket: string): Promise<boolean> {
  const { status, stdout } = await machine.runCommand('ss', ['-xnH', 'state', 'connected']);
  const own = stdout.split('\n').filter((line) => line.split(/\s+/).includes(socket));
  return status === 0 && own.every((line) => / \* 0\s*$/.test(line));
}

/** Of a worker's whole session; one of them listens. */
function socketsOf(worker: number): number {
  const files = machine.sessionMembers(worker).flatMap(machine.readOpenFiles);
  return new Set(files.map(({ target }) => target).filter((target) => target.startsWith('socket:'))).size;
}

/** Every worker with a request under way; that request fails, and the next is served. */
async function killAll(running: Running, servers: readonly [ServerName, number][]): Promise<Verdict[]> {
  const { installation } = running;
  const held = await holdAll(running, servers);
  const killed = [...new Set(held.map(({ worker }) => worker))];
  for (const worker of killed) process.kill(worker, 'SIGKILL');
  const replies = await Promise.all(held.map(({ reply }) => reply));
  for (const request of held) request.release();
  const next = await Promise.all(servers.map(([, port]) => installation.get(port)));
  await fullPool(running, killed);
  return servers.map((_, number) => {
    if (next[number] !== ok) return `then ${next[number]}`;
    return replies[number] === ok ? 'asked again' : ok;
  });
}

/** Requests one after the other on all servers at the same time; none is lost. */
async function reloadAll(running: Running, servers: readonly [ServerName, number][]): Promise<Verdict[]> {
  const { installation } = running;
  const before = siteWorkers(running.pool);
  let isOver = false;
  const client = async (port: number): Promise<Verdict[]> => {
    const outcomes: Verdict[] = [];
    while (!isOver && outcomes.length < 5_000) outcomes.push(await installation.get(port));
    return outcomes;
  };
  const clients = servers.map(([, port]) => client(port));
  const { result } = await pools.reload(running);
  isOver = true;
  const all = await Promise.all(clients);
  if (result !== 'reloaded') return servers.map(() => result);
  await fullPool(running, before);
  return all.map((outcomes) => {
    const lost = outcomes.filter((outcome) => outcome !== ok);
    return lost.length > 0 ? `loses requests: ${lost[0]}` : ok;
  });
}

/** A request under way at each server is answered; then nothing is left. */
async function stopAll(running: Running, servers: readonly [ServerName, number][]): Promise<Verdict[]> {
  const { pool, eventLog, dir, site } = running;
  const held = await holdAll(running, servers);
  process.kill(pool.pid, 'SIGTERM');
  await machine.waitFor('the stop', () => pools.events({ log: eventLog }, 'stopping').length > 0);
  for (const request of held) request.release();
  const replies = await Promise.all(held.map(({ reply }) => reply));
  const isGone = (): boolean =>
    machine.markedProcesses(dir).length === 0 && !machine.isAlive(pool.pid) && !existsSync(site.socket);
  const isLeft = await machine.waitFor('the end of the pool', isGone).then(
    () => false,
    () => true,
  );
  return replies.map((reply) => (reply === ok && isLeft ? 'leaves something behind' : reply));
}

/** One after the other: who begins to work is told apart by that. */
async function holdAll({ installation, pool }: Running, servers: readonly [ServerName, number][]) {
  const held: Held<Verdict>[] = [];
  for (const [server, port] of servers)
    held.push(await installation.hold(port, server.toLowerCase(), siteWorkers(pool)));
  return held;
}
