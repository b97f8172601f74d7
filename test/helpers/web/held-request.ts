// A request that stays in flight for as long as the test wants: the program waits at a FIFO before it answers.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { allStats, isAlive, readOpenFiles, waitFor } from '../machine/index.ts';
import type { FastcgiTarget } from './fastcgi-client.ts';
import { askEcho, type EchoAnswer } from './request-load.ts';

export interface Held<T> {
  reply: Promise<T>;
  /** The session leader, that is the worker, of the process that works on the request. */
  worker: number;
  /** Lets the program go on and answer; what it reads at the FIFO is `text`. */
  release: (text?: string) => void;
}

/** Makes the FIFO and asks; resolves when the program waits there, rejects with a reply that came before. */
export async function holdAt<T>(fifo: string, ask: () => Promise<T>): Promise<Held<T>> {
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  const reply = ask();
  const tooEarly = reply.then((early) => Promise.reject(new Error(`not held: ${JSON.stringify(early)}`)));
  const holding = waitFor('the program to open the FIFO', () => openForWriting(fifo));
  tooEarly.catch(() => undefined);
  const fd = await Promise.race([tooEarly, holding]);
  const worker = await waitFor('the process that holds the FIFO', () => sessionWithFile(fifo));
  // For one that asks again, at another name.
  rmSync(fifo);
  const release = (text = ''): void => {
    try {
      if (text !== '') writeSync(fd, text);
    } catch {
      // The program was killed, and reads no more.
    }
    closeSync(fd);
  };
  return { reply, worker, release };
}

/** A request to plain-echo, held for as long as the test may need. */
export function holdEcho({ dir, target }: { dir: string; target: FastcgiTarget }): Promise<Held<EchoAnswer>> {
  const fifo = join(dir, 'hold');
  return holdAt(fifo, () => askEcho(target, `hold=${fifo}`, { timeoutMs: 60_000 }));
}

/**
 * For a program that opens nothing: whoever of `workers` begins to work on what is asked is stopped (SIGSTOP), and goes
 * on at the release. It is asked again when the answer was there before that.
 */
export async function holdByStop<T>(workers: readonly number[], ask: () => Promise<T>): Promise<Held<T>> {
  const idle = workers.filter((pid) => connectionsOf(pid) === 0);
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const reply = ask();
    const worker = await whoBegins(idle, reply);
    if (worker === undefined) continue;
    const go = (): void => void (isAlive(worker) && process.kill(worker, 'SIGCONT'));
    process.kill(worker, 'SIGSTOP');
    if (connectionsOf(worker) > 0) return { reply, worker, release: go };
    go();
    await reply;
  }
  throw new Error('every answer was there before its worker was seen');
}

/** Undefined when the reply has come before. */
async function whoBegins(idle: readonly number[], reply: Promise<unknown>): Promise<number | undefined> {
  let isOver = false;
  void reply.then(() => (isOver = true));
  const seen = (): number | undefined => idle.find((pid) => connectionsOf(pid) > 0);
  await waitFor('a worker that begins', () => isOver || seen() !== undefined, { intervalMs: 1 });
  return seen();
}

/** One of its sockets listens. */
function connectionsOf(worker: number): number {
  return readOpenFiles(worker).filter(({ target }) => target.startsWith('socket:')).length - 1;
}

/** Opening without a reader fails with ENXIO. */
function openForWriting(fifo: string): number | undefined {
  try {
    return openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

function sessionWithFile(path: string): number | undefined {
  const holder = allStats().find(
    ({ pid }) => pid !== process.pid && readOpenFiles(pid).some(({ target }) => target === path),
  );
  return holder?.session;
}
