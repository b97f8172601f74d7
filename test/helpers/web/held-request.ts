// A request that stays in flight for as long as the test wants: the program waits at a FIFO before it answers.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { allStats, isAlive, readOpenFiles, waitFor } from '../machine/index.ts';

export interface Held<T> {
  reply: Promise<T>;
  /** The session leader, that is the worker, of the process that works on the request. */
  worker: number;
  /** Lets the program go on and answer; what it reads at the FIFO is `text`. */
  release(text?: string): void;
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

/**
 * For a program that opens nothing: whoever of `workers` begins to work on what is asked is stopped (SIGSTOP), and goes
 * on at the release. It must take longer than a look at all of them.
 */
export async function holdByStop<T>(workers: readonly number[], ask: () => Promise<T>): Promise<Held<T>> {
  const idle = workers.filter((pid) => connectionsOf(pid) === 0);
  const reply = ask();
  const worker = await waitFor('a worker that begins', () => idle.find((pid) => connectionsOf(pid) > 0), {
    intervalMs: 1,
  });
  process.kill(worker, 'SIGSTOP');
  return { reply, worker, release: () => void (isAlive(worker) && process.kill(worker, 'SIGCONT')) };
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
