// Gives a client's request to a worker beside the pool, which nobody else can reach, and its answer back, as it comes.
// Keeps nothing: a client that reads slowly is read for slowly. node:net is loaded on first use only.
import type { Socket } from 'node:net';
import type { ControlClient } from '../../control/server.ts';
import { AnswerStream } from '../../fastcgi/answer.ts';

/** Unread by the client; at a megabyte it would lose its connection. */
const mostUnreadBytes = 128 * 1024;

/** Undefined for a whole answer, whatever it says, else why there is none. The connection is ours; the result stops it. */
export function relayRequest(
  connection: number,
  request: Buffer,
  client: Pick<ControlClient, 'send' | 'socket'>,
  done: (refusal: string | undefined) => void,
): () => void {
  const net = process.getBuiltinModule('node:net');
  const socket: Socket = new net.Socket({ fd: connection });
  const answer = new AnswerStream({ stdout: () => undefined, stderr: () => undefined });
  let isOver = false;
  // Node may emit `end` for a socket that was destroyed at its last bytes.
  const finish = (refusal: string | undefined): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    done(refusal);
  };
  socket.on('data', (chunk: Buffer) => {
    client.send({ answer: chunk.toString('base64') });
    const end = answer.push(chunk);
    if (end) return finish(end.kind === 'ended' ? undefined : 'what it answered is no FastCGI');
    if (client.socket.writableLength < mostUnreadBytes) return;
    socket.pause();
    client.socket.once('drain', () => socket.resume());
  });
  socket.on('error', ({ message }) => finish(`the connection to it broke: ${message}`));
  socket.on('end', () => finish('it closed the connection before the end of its answer'));
  socket.write(request);
  return () => {
    isOver = true;
    socket.destroy();
  };
}
