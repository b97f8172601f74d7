// Requests to a pool of fcgiwrap in an init machine: one, one that is held in the middle, and a client that never rests.
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import type { InitMachine } from './machine.ts';
import { waitFor } from '../machine/index.ts';
import { fastcgiRequest } from '../web/index.ts';

/** The PID of the worker that answered. */
export async function askPool({ root }: InitMachine, socket: string, query = ''): Promise<string> {
  const params = { REQUEST_METHOD: 'GET', QUERY_STRING: query, SCRIPT_FILENAME: '/srv/cgi-echo.sh' };
  const { stdout } = await fastcgiRequest({ socketPath: join(root, 'run', socket) }, params);
  const pid = /^GET \S* (\d+) \S+$/m.exec(stdout)?.[1];
  if (pid === undefined) throw new Error(`not the echo: ${stdout}`);
  return pid;
}

export interface HeldAnswer {
  answer: Promise<string>;
  /** Lets the program go on and answer. */
  release(): void;
}

/** Resolves when a worker is in the middle of the request. */
export async function holdPool(machine: InitMachine, socket: string): Promise<HeldAnswer> {
  await machine.run('mkfifo -m 666 /srv/hold');
  const answer = askPool(machine, socket, 'hold=/srv/hold');
  // Whoever waits for it sees the failure.
  answer.catch(() => undefined);
  const fifo = join(machine.root, 'srv/hold');
  const descriptor = await waitFor('the program to open the FIFO', () => openForWriting(fifo));
  return { answer, release: () => closeSync(descriptor) };
}

/** Opening without a reader fails with ENXIO. */
function openForWriting(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

const MOST_REQUESTS = 5_000;

/** One request after the other, each on a connection of its own; `stop` tells what became of those that were lost. */
export function startAsking(machine: InitMachine, socket: string): { stop(): Promise<string[]> } {
  const lost: string[] = [];
  let isStopped = false;

  async function askOn(): Promise<void> {
    for (let sent = 0; !isStopped && sent < MOST_REQUESTS; sent += 1) {
      await askPool(machine, socket).catch((error: unknown) => lost.push(String(error)));
    }
  }

  const finished = askOn();
  return {
    async stop() {
      isStopped = true;
      await finished;
      return lost;
    },
  };
}
