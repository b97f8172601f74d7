// A site as operators run it: nginx, a pool of one application, a PID file and, with a Unix socket, a socket file.
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import * as machine from '../machine/index.ts';
import { referencePath, startPool, type Pool } from '../pool/index.ts';
import type { Application } from './applications.ts';
import { startNginx } from './nginx.ts';
import { type Transport, answeringPid, send, type Message } from '../web/index.ts';

export interface SiteOptions {
  workers?: number;
  /** Further options of the command. */
  options?: (dir: string) => readonly string[];
  /** Connections that nginx keeps open to the program (fastcgi_keep_conn). */
  keptConnections?: number;
  keepsAsShipped?: boolean;
  env?: Record<string, string>;
  /** Who owns the directory of the socket and the PID file; 'nobody' may remove them at the end. */
  runDirOwner?: 'nobody' | 'root';
  /** lighttpd's command starts the pool, without further options; `startAgain` is ours. */
  isBegunBy16?: boolean;
  /** Makes the worker's command line from the program's path. */
  commandLine?: (program: string, dir: string) => string[];
}

export interface Site {
  dir: string;
  pool: Pool;
  /** nginx listens here. */
  port: number;
  /** SCRIPT_FILENAME. */
  script: string;
  /** What nginx complains about. */
  nginxLog: string;
  pidFile: string;
  /** The supervisor's events, one JSON object a line. */
  eventLog: string;
  /** The socket file, or undefined with TCP. */
  socketPath: string | undefined;
  /** The TCP port of the pool, or undefined with a Unix socket. */
  poolPort: number | undefined;
  /** Runs the very same command again, or ours for the first time. */
  startAgain(): Promise<Pool>;
  /** Every living process that was started by the pool's command, whoever its parent is by now. */
  processes(): number[];
}

export async function startSite(
  application: Application,
  transport: Transport,
  wanted: SiteOptions = {},
): Promise<Site> {
  const dir = machine.makeTempDir();
  const runDir = makeRunDir(dir, wanted.runDirOwner ?? 'nobody');
  const { program, script, env = {} } = application.install(dir);
  const poolPort = transport === 'TCP' ? await machine.freePort() : undefined;
  const socketPath = transport === 'TCP' ? undefined : join(runDir, 'app.sock');
  const pidFile = join(runDir, 'app.pid');
  const eventLog = join(dir, 'events.log');
  const common = [
    ...(poolPort === undefined
      ? ['-s', join(runDir, 'app.sock')]
      : ['-a', '127.0.0.1', '-p', String(poolPort)]),
    ...(machine.isRoot ? ['-u', 'nobody', '-g', 'nogroup'] : []),
    '-P',
    pidFile,
    '-F',
    String(wanted.workers ?? 1),
  ];
  const own = [
    '--state-dir',
    join(dir, 'state'),
    '--log',
    eventLog,
    '--log-format',
    'json',
    ...(wanted.options?.(dir) ?? []),
  ];
  const command = ['--', ...(wanted.commandLine?.(program, dir) ?? [program])];
  const mark = randomUUID();
  // A php-cgi that is killed leaves what it was reading.
  const temporary = join(dir, 'tmp');
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
  const environment = { ...process.env, TMPDIR: temporary, ...env, ...wanted.env };
  const supervisors: Pool[] = [];
  const start = async (): Promise<Pool> => {
    const started = await startPool([...common, ...own, ...command], {
      env: machine.withMark(environment, mark),
    });
    supervisors.push(started);
    return started;
  };
  const startBy16 = (): Promise<Pool> =>
    startPool([...common, ...command], {
      command: referencePath,
      env: machine.withMark(environment, mark),
    });
  machine.atEnd(() => machine.killMarkedProcesses(mark));
  const pool = await (wanted.isBegunBy16 ? startBy16() : start());
  const address = poolPort === undefined ? `unix:${socketPath}` : `127.0.0.1:${poolPort}`;
  const { keptConnections, keepsAsShipped = false } = wanted;
  const backend = {
    address,
    script,
    keepsAsShipped,
    ...(keptConnections === undefined ? {} : { keptConnections }),
  };
  const { port, errorLog: nginxLog } = await startNginx(dir, backend);
  const processes = (): number[] => {
    const alive = supervisors.map((one) => one.pid).filter((pid) => machine.isAlive(pid));
    return [...new Set([...alive, ...machine.markedProcesses(mark)])];
  };
  return {
    dir,
    pool,
    port,
    script,
    nginxLog,
    pidFile,
    eventLog,
    socketPath,
    poolPort,
    startAgain: start,
    processes,
  };
}

/** Living workers of a pool: the supervisor's children with sessions of their own; the guard of the start has none. */
export function siteWorkers(pool: Pool): number[] {
  return machine
    .childrenOf(pool.pid)
    .filter((pid) => machine.isAlive(pid) && machine.readStat(pid)?.session === pid)
    .toSorted((a, b) => a - b);
}

/** Waits until there are `count` workers, all running the program and none of them one of `ended`. */
export async function fullSite(
  pool: Pool,
  name: string,
  count: number,
  ended: Iterable<number> = [],
): Promise<number[]> {
  const old = new Set(ended);
  return machine.waitFor(`${count} workers`, () => {
    const workers = siteWorkers(pool);
    const areNew = workers.every((pid) => !old.has(pid) && machine.readStat(pid)?.comm === name.slice(0, 15));
    return workers.length === count && areNew && workers;
  });
}

/** Sends one request and expects its echo; returns the PID that answered. */
export async function expectEcho(port: number, message: Message): Promise<number> {
  const reply = await send(port, message);
  const pid = answeringPid(reply, message);
  expect(pid, `${reply.status} ${reply.body.slice(0, 300)}`).toBeTypeOf('number');
  return pid ?? 0;
}

/** Expects that the next `count` requests, one after the other, are all answered. */
export async function expectAnswers(port: number, count = 20): Promise<void> {
  for (let n = 0; n < count; n += 1) await expectEcho(port, { query: `after=${n}` });
}

/** Waits until no process that the pool's command has started is left. */
export async function expectSiteEnded(site: Site): Promise<void> {
  await machine
    .waitFor('the end of all processes', () => site.processes().length === 0)
    .catch((cause: unknown) => {
      throw new Error(`still there: ${site.processes().map(describeProcess).join(', ')}`, { cause });
    });
}

function describeProcess(pid: number): string {
  const stat = machine.readStat(pid);
  return `${pid} (${stat?.comm}, ${stat?.state}, child of ${stat?.parent}, session ${stat?.session})`;
}

function makeRunDir(dir: string, owner: 'nobody' | 'root'): string {
  const runDir = join(dir, 'run');
  mkdirSync(runDir);
  if (machine.isRoot && owner === 'nobody') chownSync(runDir, machine.NOBODY, machine.NOBODY);
  return runDir;
}
