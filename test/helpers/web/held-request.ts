// A request that stays in flight for as long as the test wants: the echo programs wait at a FIFO before they answer.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { allStats, readOpenFiles, waitFor } from '../machine/index.ts';
import { send, type Message, type Reply } from './http-client.ts';

export interface HeldRequest {
  message: Message;
  reply: Promise<Reply>;
  /** The session leader, that is the worker, of the process that works on the request. */
  worker: number;
  /** Lets the program go on and answer. */
  release(): void;
}

/** Resolves when a worker is in the middle of the request. */
export async function holdRequest(port: number, dir: string): Promise<HeldRequest> {
  const fifo = join(dir, 'hold');
  execFileSync('mkfifo', ['-m', '0666', fifo]);
  const message = { query: `hold=${fifo}` };
  const reply = send(port, message);
  const fd = await waitFor('the program to open the FIFO', () => openForWriting(fifo));
  const worker = await waitFor('the process that holds the FIFO', () => sessionWithFile(fifo));
  return { message, reply, worker, release: () => closeSync(fd) };
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
