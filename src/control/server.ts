// The supervisor's side of the control socket (docs/internals/control-protocol.md): reads one
// request a connection, asks the pool, answers without ever waiting for the client.
// Who may connect is a matter of the socket file's permissions; who may change the pool, of who has connected.
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { SignalledListener } from '../sys/connection/signalled-listener.ts';
import { peerOn, type Peer } from '../sys/connection/peer-process.ts';
import { LineReader } from './line-reader.ts';
import {
  formatLine,
  formatProgress,
  formatResult,
  limits,
  refusal,
  type ControlRequest,
  type ControlResult,
  type FeatureRequest,
  type PoolRequest,
} from './protocol.ts';
import { parseRequest } from './parse-request.ts';

/** What the server asks of the pool; `answer` is called once, `progress` before it. */
export interface ControlActions {
  carryOut(request: PoolRequest, client: ControlClient): void;
  /** Of its features, by name. */
  readonly commands: ReadonlyMap<string, Command>;
  carryOutCommand(request: FeatureRequest, command: Command, client: ControlClient): void;
}

/** Who may have the pool changed; a peer is undefined where the kernel does not say who it is. */
export interface ControlRights {
  mayChange(peer: Peer | undefined): boolean;
  /** Hears of each request to change the pool, before it is carried out. */
  changeAsked(command: string, peer: Peer | undefined): void;
}

/** A command that a feature answers. */
export interface Command {
  /** Operations that must be over before: at most --ready-timeout, then it is refused as busy. */
  readonly awaits?: readonly string[];
  /** `waits`: its client waits for an end; `stays`: its client stays for as long as it likes. Else it is answered at once. */
  readonly client?: 'waits' | 'stays';
  /** It changes nothing: whoever can connect may have it. */
  readonly isQuestion?: true;
  /** The fields of the request but its command, unjudged. */
  carryOut(fields: FeatureRequest['fields'], client: ControlClient): void;
}

export interface ControlClient {
  progress(text: string): void;
  answer(result: ControlResult): void;
  /** The same, but the connection stays open until the process ends, which the client waits for. */
  farewell(result: ControlResult): void;
  /** A line of the command's own before the answer. Who reads none of them loses the connection. */
  send(fields: object): void;
  /** Its end says that the client is gone; the handover sends descriptors on it. */
  readonly socket: Socket;
  /** Takes the lines that follow the request; without it they are dropped. */
  onLine: ((line: string) => void) | undefined;
}

const requestTimeoutMs = 10_000;
const unreadTimeoutMs = 30_000;
const maxUnreadBytes = 1024 * 1024;
/** Of clients that have not sent their request yet; more are refused by a closed connection. */
const maxConnections = 1024;
/** Of clients that wait for an operation to end, and as many that stay. */
const maxWaiting = 64;

export class ControlServer {
  readonly #listener: SignalledListener;
  readonly #actions: ControlActions;
  readonly #rights: ControlRights;
  readonly #clients = new Set<Socket>();
  /** Those of them that keep nobody waiting. */
  readonly #staying = new Set<Socket>();

  /** Serves the listening socket, which it owns from now on. */
  constructor(descriptor: number, actions: ControlActions, rights: ControlRights) {
    this.#actions = actions;
    this.#rights = rights;
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
    this.#welcome(socket, peerOn(connection));
  }

  #welcome(socket: Socket, peer: Peer | undefined): void {
    this.#clients.add(socket);
    const reader = new LineReader(limits.requestBytes);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#clients.delete(socket);
      this.#staying.delete(socket);
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
          client = this.#serve(socket, line, peer);
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

  #serve(socket: Socket, line: string, peer: Peer | undefined): ControlClient | undefined {
    const { commands } = this.#actions;
    const request = parseRequest(line, (name) => commands.has(name));
    if ('error' in request) {
      this.#refuse(socket, request.error, request.message);
      return undefined;
    }
    const command = commands.get(request.command);
    const crowd = this.#crowdFor(request, command);
    if (crowd !== undefined) {
      this.#refuse(socket, 'busy', crowd);
      return undefined;
    }
    if (!isQuestion(request, command)) {
      if (!this.#rights.mayChange(peer)) {
        this.#refuse(
          socket,
          'not-permitted',
          `${request.command} is for the pool's owner: you may ask, and change nothing`,
        );
        return undefined;
      }
      this.#rights.changeAsked(request.command, peer);
    }
    if (command?.client === 'stays') this.#staying.add(socket);
    const client = clientOn(socket);
    if (command && 'fields' in request) this.#actions.carryOutCommand(request, command, client);
    else if (!('fields' in request)) this.#actions.carryOut(request, client);
    return client;
  }

  /** Why there is no room for another such client; a stop, a status and a ping always get through. */
  #crowdFor({ command: name }: ControlRequest, command: Command | undefined): string | undefined {
    const staying = this.#staying.size;
    const waiting = this.#clients.size - staying;
    if (command?.client === 'stays' && staying >= maxWaiting)
      return `busy: ${staying} clients listen already`;
    const isLong = name === 'reload' || name === 'restart' || command?.client === 'waits';
    return isLong && waiting > maxWaiting ? `busy: ${waiting - 1} clients wait already` : undefined;
  }
}

function isQuestion({ command: name }: ControlRequest, command: Command | undefined): boolean {
  return command ? command.isQuestion === true : name === 'ping' || name === 'status';
}

function clientOn(socket: Socket): ControlClient {
  let isAnswered = false;
  const say = (line: string): void => {
    if (!isAnswered) write(socket, line);
  };
  return {
    socket,
    onLine: undefined,
    send: (fields) => say(formatLine(fields)),
    progress: (text) => say(formatProgress(text)),
    answer: (result) => {
      if (isAnswered) return;
      isAnswered = true;
      finish(socket, formatResult(result));
    },
    farewell: (result) => {
      say(formatResult(result));
      isAnswered = true;
    },
  };
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
