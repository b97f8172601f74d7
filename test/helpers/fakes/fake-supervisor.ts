// A supervisor for spawn-fcgictl to talk to that does what the test says: a state file and a control socket in a
// directory of the test, served by the test's own process.
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { LineReader } from '../../../src/control/line-reader.ts';
import * as protocol from '../../../src/control/protocol.ts';
import { parseRequest } from '../../../src/control/parse-request.ts';
import type { PoolState } from '../../../src/core/pool-state.ts';
import { atEnd, readStat } from '../machine/index.ts';
import { examplePool, exampleWorker } from '../models/index.ts';

/** How a fake supervisor answers a request on a connection. */
export type Behaviour = (request: protocol.ControlRequest, connection: Socket) => void;

export interface FakeOptions {
  address?: string;
  /** The file name without its suffix, where it is not the address. */
  id?: string;
  state?: Partial<PoolState>;
  behaviour?: Behaviour;
}

export interface FakeSupervisor {
  readonly stateDir: string;
  readonly id: string;
  readonly address: string;
  readonly pid: number;
  /** Requests in the order of their arrival. */
  readonly requests: protocol.ControlRequest[];
  close(): void;
}

/** Answers ping and status with a pool, and everything else with success. */
const obliging: Behaviour = (request, connection) => {
  connection.end(protocol.formatResult(answerTo(request)));
};

export function answerTo(
  { command }: protocol.ControlRequest,
  changes: Partial<protocol.PoolStatus> = {},
): protocol.ControlResult {
  const base = { ...examplePool(), address: '127.0.0.1:9000', pid: process.pid, ...changes };
  const result = { ok: true, status: 0, message: `${command} is done` } as const;
  if (command === 'ping') return { ...result, pool: { ...examplePool(), ...base } };
  if (command !== 'status') return result;
  return {
    ...result,
    pool: { workers: [exampleWorker({ pid: process.pid, pids: [process.pid] })], ...base },
  };
}

/** Answers pings, and the rest as the test says. */
export function afterPing(behaviour: Behaviour): Behaviour {
  return (request, connection) => (request.command === 'ping' ? obliging : behaviour)(request, connection);
}

/** Sends these bytes to everything but a ping, and ends the connection. */
export function saying(...lines: readonly string[]): Behaviour {
  return afterPing((_request, connection) => connection.end(lines.join('')));
}

/** Writes the state file and serves the control socket until the test ends. */
export async function startFake(stateDir: string, options: FakeOptions = {}): Promise<FakeSupervisor> {
  const address = options.address ?? '127.0.0.1:9000';
  const id = options.id ?? address.replaceAll('%', '%25').replaceAll('/', '%2F');
  writeState(stateDir, id, { address, ...options.state });
  const requests: protocol.ControlRequest[] = [];
  const server = createServer((connection) => {
    const reader = new LineReader(4096);
    connection.on('error', () => undefined);
    connection.on('data', (chunk: Buffer) => {
      for (const line of reader.push(chunk)) {
        const request = parseRequest(line, () => false);
        if ('error' in request) throw new Error(request.message);
        requests.push(request);
        (options.behaviour ?? obliging)(request, connection);
      }
    });
    atEnd(() => {
      connection.destroy();
    });
  });
  await listen(server, join(stateDir, `${id}.ctl`));
  const close = (): void => {
    server.close();
  };
  atEnd(close);
  return { stateDir, id, address, pid: options.state?.pid ?? process.pid, requests, close };
}

/** The file of a pool whose supervisor is this very process, unless the changes say otherwise. */
export function writeState(stateDir: string, id: string, changes: Partial<PoolState> = {}): void {
  const pid = changes.pid ?? process.pid;
  const state: PoolState = {
    version: 1,
    phase: 'serving',
    name: 'php-cgi',
    address: id,
    pid,
    startTime: String(readStat(pid)?.startTime),
    sockets: [],
    workerUid: 0,
    control: `${id}.ctl`,
    stopTimeoutMs: 9000,
    pidFile: undefined,
    workers: [],
    ...changes,
  };
  writeFileSync(join(stateDir, `${id}.state`), `${JSON.stringify(state)}\n`, { mode: 0o600 });
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
}
