// Asks whoever accepts a connection for a FastCGI management record: the probe of
// `--ready probe`. node:net is loaded on first use only.
import type { Socket } from 'node:net';
import { encodeGetValues, isManagementAnswer } from '../../fastcgi/management.ts';

/** Undefined for an answer, else why there was none. Closes the connection; the result stops asking. Without a time-out the caller has one. */
export function askWorker(
  connection: number,
  timeoutMs: number | undefined,
  done: (refusal: string | undefined) => void,
): () => void {
  const net = process.getBuiltinModule('node:net');
  const socket: Socket = new net.Socket({ fd: connection });
  let received = Buffer.alloc(0);
  let isOver = false;
  const finish = (refusal: string | undefined): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    socket.destroy();
    done(refusal);
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => finish('no answer to a FastCGI management record in time'), timeoutMs);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const isAnswer = isManagementAnswer(received);
    if (isAnswer !== undefined) finish(isAnswer ? undefined : 'the answer is no FastCGI management record');
  });
  socket.on('error', (error) => finish(`no answer to a FastCGI management record: ${error.message}`));
  socket.on('close', () =>
    finish('the connection was closed without an answer to a FastCGI management record'),
  );
  socket.write(encodeGetValues());
  return () => finish(undefined);
}
