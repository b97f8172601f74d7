// A connection to a FastCGI server, whether or not its pool is ours. Loads no libc.
import { Socket } from 'node:net';
import { nameSocket } from '../../sys/socket/socket-name.ts';
import { parseEndpoint } from '../target/parse-target.ts';
import { ownerOf, type Pool } from '../target/pools.ts';

/** With an owner the socket must be that user's, and no link. */
export type ServerAddress =
  | { readonly kind: 'unix'; readonly path: string; readonly owner: number | undefined }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** The kernel's answer when the queue of a Unix socket is full: to be tried again after a while. */
export const isQueueFull = ({ code }: NodeJS.ErrnoException): boolean => code === 'EAGAIN';
export const retryMs = 25;

/** Where a pool is reached from here; one that listens on every address on the loopback one. */
export function serverOf(pool: Pool): ServerAddress {
  const { address, pid } = pool.state;
  const endpoint = parseEndpoint(address);
  if (endpoint) return { kind: 'tcp', host: reachable(endpoint.ip), port: endpoint.port };
  // A name has no owner that could be asked for.
  if (address.startsWith('@')) return { kind: 'unix', path: `\0${address.slice(1)}`, owner: undefined };
  // Another user's supervisor may see its socket where we do not.
  const owner = ownerOf(pool)?.uid;
  return { kind: 'unix', path: owner === undefined ? address : `/proc/${pid}/root${address}`, owner };
}

export function reachable(host: string): string {
  const loopback: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return loopback[host] ?? host;
}

/** Throws what cannot even be tried; everything else comes as events. */
export function openConnection(address: ServerAddress): AnsweredSocket {
  const socket = new AnsweredSocket();
  if (address.kind === 'tcp') {
    socket.setNoDelay(true);
    socket.connect({ host: address.host, port: address.port });
    return socket;
  }
  const { path, release } = nameSocket(address.path, address.owner);
  socket.once('connect', release);
  socket.once('error', release);
  socket.connect(path);
  return socket;
}

/**
 * Is read to the end although the server has stopped reading: whoever answers before the body is over closes the
 * connection, and a failure to write must not throw away what it said.
 */
export class AnsweredSocket extends Socket {
  #isWritable = true;

  /** Whether the server still takes something. */
  get takesMore(): boolean {
    return this.#isWritable && !this.destroyed;
  }

  /** Resolves when the bytes are on their way, or will never be. */
  async send(bytes: Buffer): Promise<void> {
    if (this.write(bytes) || this.destroyed) return;
    await new Promise<void>((resolve) => {
      const over = (): void => {
        this.off('drain', over);
        this.off('close', over);
        resolve();
      };
      this.on('drain', over);
      this.on('close', over);
    });
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
    if (!this.#isWritable) return done();
    // oxlint-disable-next-line no-underscore-dangle
    super._write(chunk, encoding, (error) => this.#forgive(error, done));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: Done): void {
    if (!this.#isWritable) return done();
    // oxlint-disable-next-line no-underscore-dangle
    super._writev?.(chunks, (error) => this.#forgive(error, done));
  }

  #forgive(error: Error | null | undefined, done: Done): void {
    if (error) this.#isWritable = false;
    done();
  }
}

type Done = (error?: Error | null) => void;
