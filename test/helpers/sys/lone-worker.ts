/**
 * A listening socket and programs on it, without a supervisor: for tests of what
 * src/sys finds out about processes. All of it is gone when the test is.
 */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { libc } from '../../../src/sys/libc/libc.ts';
import { listenOn, type ListenSocket } from '../../../src/sys/socket/listen-socket.ts';
import { parseIp, type SocketAddress } from '../../../src/sys/socket/socket-address.ts';
import { ProcFs } from '../../../src/sys/proc/proc-fs.ts';
import { ProcessTemplate } from '../../../src/sys/process/spawn-worker.ts';
import * as machine from '../machine/index.ts';

/** /proc of this machine; every test here needs it. */
export function openProc(): ProcFs {
  const proc = ProcFs.open();
  if (!proc) throw new Error('no /proc');
  machine.atEnd(() => {
    closeSync(proc.descriptor);
  });
  return proc;
}

export interface Listening extends ListenSocket {
  readonly address: SocketAddress;
  /** For `connect` of node:net. */
  readonly target: { path: string } | { port: number; host: string };
}

export async function listenSomewhere(
  kind: 'unix' | 'tcp',
  backlog = 16,
  host = '127.0.0.1',
): Promise<Listening> {
  const port = kind === 'tcp' ? await machine.freePort() : 0;
  const path = kind === 'unix' ? join(machine.makeTempDir(), 'socket') : '';
  const address: SocketAddress | undefined = kind === 'unix' ? { kind: 'unix', path } : parseIp(host, port);
  if (!address) throw new Error('no address');
  const owner = { uid: 0, gid: 0, mode: 0o666, trustedUids: [], proc: undefined };
  const socket = listenOn(address, backlog, owner);
  machine.atEnd(() => {
    libc.close(socket.descriptor);
    if (socket.file) libc.close(socket.file.at.directory);
  });
  return { ...socket, address, target: kind === 'unix' ? { path } : { port, host } };
}

/** Of a Unix socket. */
export function pathOf({ address }: Listening): string {
  return address.kind === 'unix' ? address.path : '';
}

export interface WorkerOptions {
  /** A descriptor; /dev/null without it. */
  stdout?: number;
  env?: Record<string, string>;
}

/** Starts a program as a worker, in a session of its own with the socket as descriptor 0; its PID. */
export function startWorker(
  socket: ListenSocket,
  argv: readonly string[],
  { stdout, env = {} }: WorkerOptions = {},
): number {
  const nowhere = openSync('/dev/null', 'r+');
  const streams = { stdin: socket.descriptor, stdout: stdout ?? nowhere, stderr: 2 };
  const environment = Object.entries({ ...process.env, ...env }).map(([name, value]) =>
    Buffer.from(`${name}=${value}`),
  );
  const started = new ProcessTemplate({ path: argv[0] ?? '', argv }, environment, streams, undefined).spawn();
  closeSync(nowhere);
  if ('errno' in started) throw new Error(`${argv[0]}: ${libc.strerror(started.errno)}`);
  machine.atEnd(() => endSession(started.pid));
  return started.pid;
}

/** Kills every process of a session, waits until they are gone, and reaps the leader. */
async function endSession(leader: number): Promise<void> {
  const own = process.pid;
  const members = () => machine.allStats().filter(({ pid, session }) => session === leader && pid !== own);
  await machine.waitFor(`the end of session ${leader}`, () => {
    const living = members().filter(({ state }) => state !== 'Z');
    for (const { pid, startTime } of living) machine.signalProcess(pid, startTime, 'SIGKILL');
    return living.length === 0;
  });
  reap(leader);
}

/** Takes the exit of a child that libuv does not know, so that no zombie stays; whether it had ended. */
function reap(pid: number): { readonly signal: number; readonly status: number } | undefined {
  const status = Buffer.alloc(4);
  if (libc.waitpid(pid, status, 1) !== pid) return undefined;
  const value = status.readInt32LE();
  return { signal: value & 0x7f, status: (value >> 8) & 0xff };
}

/** Waits until the process has ended and takes its exit. */
export function waitForExit(pid: number): Promise<{ readonly signal: number; readonly status: number }> {
  return machine.waitFor(`the exit of ${pid}`, () => reap(pid));
}

/** The state letter of /proc/PID/stat. */
export function stateOf(pid: number): string | undefined {
  return machine.readStat(pid)?.state;
}
