// The supervisor's side of the control socket (docs/control-protocol.md): reads one
// request a connection, asks the pool, answers without ever waiting for the client.
// Who may connect is a matter of the socket file's permissions.
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { SignalledListener } from '../sys/connection/signalled-listener.ts';
import { LineReader } from './line-reader.ts';
import {
  formatProgress,
  formatResult,
  limits,
  refusal,
  type ControlRequest,
  type ControlResult,
} from './protocol.ts';
import { parseRequest } from './parse-request.ts';

/** What the server asks of the pool; `answer` is called once, `progress` before it. */
export interface ControlActions {
  carryOut(request: ControlRequest, client: ControlClient): void;
}

export interface ControlClient {
  progress(text: string): void;
  answer(result: ControlResult): void;
  /** The same, but the connection stays open until the process ends, which the client waits for. */
  farewell(result: ControlResult): void;
  /** For the handover, which sends descriptors on the connection itself. */
  readonly socket: Socket;
  /** Takes the lines that follow the request; without it they are dropped. */
  onLine: ((line: string) => void) | undefined;
}

const requestTimeoutMs = 10_000;
const unreadTimeoutMs = 30_000;
const maxUnreadBytes = 1024 * 1024;
/** Of clients that have not sent their request yet; more are refused by a closed connection. */
const maxConnections = 1024;
/** Of clients that wait for an operation to end. */
const maxWaiting = 64;

export class ControlServer {
  readonly #listener: SignalledListener;
  readonly #actions: ControlActions;
  readonly #clients = new Set<Socket>();

  /** Serves the listening socket, which it owns from now on. */
  constructor(descriptor: number, actions: ControlActions) {
    this.#actions = actions;
    this.#listener = new SignalledListener(descriptor, (connection) => this.#take(connection));
  }

  /** Takes no more connections; the descriptor is closed. */
  close(): void {
    this.#listener.close();
  }

  #take(connection: number): void {
    // Loaded only now: no start waits for it.
    const net = process.getBuiltinModule('node:net');
    if (this.#clients.size >= maxConnections) return closeSync(connection);
    let socket: Socket;
    try {
      socket = new net.Socket({ fd: connection, allowHalfOpen: true });
    } catch {
      // No memory for it: the client's trouble, not the pool's.
      return closeSync(connection);
    }
    this.#welcome(socket);
  }

  #welcome(socket: Socket): void {
    this.#clients.add(socket);
    const reader = new LineReader(limits.requestBytes);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#clients.delete(socket);
      this.#listener.retry();
    });
    const timer = setTimeout(
      () => this.#refuse(socket, 'malformed', 'no request within 10 s'),
      requestTimeoutMs,
    );
    socket.on('close', () => clearTimeout(timer));
    let client: ControlClient | undefined;
    let isOver = false;
    socket.on('data', (chunk: Buffer) => {
      for (const line of reader.push(chunk)) {
        if (client) client.onLine?.(line);
        else if (!isOver) {
          isOver = true;
          clearTimeout(timer);
          client = this.#serve(socket, line);
        }
      }
      if (!reader.isTooLong || isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#refuse(socket, 'too-long', `a request has at most ${limits.requestBytes} bytes`);
    });
    socket.on('end', () => {
      if (!isOver && reader.hasRest) this.#refuse(socket, 'malformed', 'the request has no end of line');
    });
  }

  #refuse(socket: Socket, error: Parameters<typeof refusal>[0], message: string): void {
    finish(socket, formatResult(refusal(error, message)));
  }

  #serve(socket: Socket, line: string): ControlClient | undefined {
    const request = parseRequest(line);
    if ('error' in request) {
      this.#refuse(socket, request.error, request.message);
      return undefined;
    }
    if (this.#clients.size > maxWaiting && isLong(request.command)) {
      this.#refuse(socket, 'busy', `busy: ${this.#clients.size - 1} clients wait already`);
      return undefined;
    }
    let isAnswered = false;
    const client: ControlClient = {
      socket,
      onLine: undefined,
      progress: (text) => {
        if (!isAnswered) write(socket, formatProgress(text));
      },
      answer: (result) => {
        if (isAnswered) return;
        isAnswered = true;
        finish(socket, formatResult(result));
      },
      farewell: (result) => {
        if (isAnswered) return;
        isAnswered = true;
        write(socket, formatResult(result));
      },
    };
    this.#actions.carryOut(request, client);
    return client;
  }
}

/** Commands that keep their client waiting; a stop, a status and a ping always get through. */
function isLong(command: ControlRequest['command']): boolean {
  return command === 'reload' || command === 'restart' || command === 'handover';
}

/** A client that reads nothing loses its connection before it costs us memory. */
function write(socket: Socket, text: string): void {
  if (socket.destroyed) return;
  if (socket.writableLength > maxUnreadBytes) socket.destroy();
  else socket.write(text);
}

function finish(socket: Socket, text: string): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), unreadTimeoutMs);
  socket.on('close', () => clearTimeout(timer));
  socket.end(text, () => socket.destroy());
}
