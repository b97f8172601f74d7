// Answers FastCGI requests on a listening socket of the supervisor's: any bytes may come. Connections, what is read of them
// and the time that they may take are bounded, and so is the pace of all of them together.
import type { Socket } from 'node:net';
import { closeSync } from 'node:fs';
import type { Clock } from '../../core/machine.ts';
import {
  ApplicationReader,
  encodeAnswer,
  type Received,
  type ReceivedRequest,
} from '../../fastcgi/application.ts';
import { SignalledListener } from '../../sys/connection/signalled-listener.ts';
import { Pace } from './pace.ts';

export interface Answer {
  /** CGI's, with the empty line. */
  readonly header: string;
  readonly body: Buffer;
}

const maxConnections = 64;
/** One that has not come to its end within this makes room for another. */
const undisturbedMs = 1000;
/** For a request to come and its answer to be taken. */
const exchangeMs = 10_000;
/** Between two requests on one connection. */
const keptMs = 30_000;
/** For what a client sends behind its question. */
const lingerMs = 1000;
/** Connections and pieces of what they send, of which a request has two: nobody needs a status that often. */
const pace = { perSecond: 200, atOnce: 100 } as const;

interface Client {
  readonly socket: Socket;
  readonly reader: ApplicationReader;
  readonly sinceMs: number;
  timer: NodeJS.Timeout | undefined;
  /** Nothing is asked at the moment. */
  isKept: boolean;
  /** Its answer was its last; what comes still is read only so that it is not refused. */
  isOver: boolean;
  /** Nothing more is read of what comes. */
  isDeaf: boolean;
  /** The request has come to its end. */
  isWhole: boolean;
}

export class StatusServer {
  readonly #listener: SignalledListener;
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #answer: (request: ReceivedRequest) => Answer;
  readonly #clients = new Set<Client>();
  /** Taken, and to be heard when it is their turn. */
  #unheard = 0;
  #onEmpty: (() => void) | undefined;

  /** The descriptor is its own from now on. */
  constructor(descriptor: number, clock: Clock, answer: (request: ReceivedRequest) => Answer) {
    this.#clock = clock;
    this.#answer = answer;
    this.#pace = new Pace({ clock, ...pace });
    this.#listener = new SignalledListener(descriptor, (connection) => this.#take(connection));
  }

  /** Takes no more connections; those that are there come to their end. */
  close(): void {
    this.#listener.close();
  }

  /** The same where another supervisor takes them. */
  leave(): void {
    this.#listener.leave();
  }

  /** Once nobody is left whose question was taken, or after so long. */
  whenAnswered(patienceMs: number, done: () => void): void {
    for (const { socket, isKept } of this.#clients) if (isKept) socket.destroy();
    const cancel = this.#clock.after(patienceMs, () => this.#onEmpty?.());
    this.#onEmpty = () => {
      this.#onEmpty = undefined;
      cancel();
      done();
    };
    this.#noteLeft();
  }

  #noteLeft(): void {
    if (this.#clients.size + this.#unheard === 0) this.#onEmpty?.();
  }

  #take(connection: number): void {
    if (this.#clients.size >= maxConnections && !this.#makeRoom()) return closeSync(connection);
    this.#unheard += 1;
    const isInTime = this.#pace.run(() => {
      this.#unheard -= 1;
      this.#welcome(connection);
      this.#noteLeft();
    });
    if (isInTime && !this.#pace.isSpent) return;
    this.#listener.pause();
    this.#pace.run(() => this.#listener.resume());
  }

  /** The one that has been there longest and asks nothing, else the slowest. */
  #makeRoom(): boolean {
    const all = [...this.#clients];
    const slow = all.find(({ sinceMs }) => this.#clock.nowMs() - sinceMs > undisturbedMs);
    const victim = all.find(({ isKept }) => isKept) ?? slow;
    victim?.socket.destroy();
    if (victim) this.#clients.delete(victim);
    return victim !== undefined;
  }

  #welcome(connection: number): void {
    // Loaded only now: no start waits for it.
    const net = process.getBuiltinModule('node:net');
    let socket: Socket;
    try {
      socket = new net.Socket({ fd: connection, allowHalfOpen: true });
    } catch {
      // No memory for it: the client's trouble, not the pool's.
      return closeSync(connection);
    }
    const client: Client = {
      socket,
      reader: new ApplicationReader(),
      sinceMs: this.#clock.nowMs(),
      timer: undefined,
      isKept: false,
      isOver: false,
      isDeaf: false,
      isWhole: false,
    };
    this.#clients.add(client);
    this.#allow(client, exchangeMs);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.#noteEnd(client));
    socket.on('close', () => {
      clearTimeout(client.timer);
      this.#clients.delete(client);
      this.#listener.retry();
      this.#noteLeft();
    });
    socket.on('data', (chunk: Buffer) => this.#hear(client, chunk));
  }

  /** Until then it may take, whatever comes of it meanwhile. */
  #allow(client: Client, ms: number): void {
    clearTimeout(client.timer);
    client.timer = setTimeout(() => client.socket.destroy(), ms);
  }

  #hear(client: Client, chunk: Buffer): void {
    const { socket } = client;
    const isDone = this.#pace.run(() => {
      if (!socket.destroyed && !client.isDeaf) this.#read(client, chunk);
      socket.resume();
    });
    if (!isDone) socket.pause();
  }

  #read(client: Client, chunk: Buffer): void {
    if (client.isKept) this.#allow(client, exchangeMs);
    client.isKept = false;
    for (const received of client.reader.push(chunk)) {
      this.#follow(client, received);
      if (client.socket.destroyed || received.kind === 'over') return;
    }
  }

  #follow(client: Client, received: Received): void {
    const { socket } = client;
    switch (received.kind) {
      case 'request':
        return this.#serve(client, received.request);
      case 'reply':
        // Who asks and never reads has answers waiting that nobody will take.
        if (socket.writableLength > 0) socket.destroy();
        else if (!client.isOver) socket.write(received.bytes);
        return;
      case 'over':
        if (received.bytes.length === 0 || client.isOver) socket.destroy();
        else socket.end(received.bytes, () => socket.destroy());
        client.isDeaf = true;
        return;
      case 'whole':
        client.isWhole = true;
        return this.#rest(client);
    }
  }

  #serve(client: Client, request: ReceivedRequest): void {
    const { socket } = client;
    if (client.isOver) return;
    // One answer at a time: the next question of who does not read is his last.
    if (socket.writableLength > 0) return void socket.destroy();
    const { header, body } = this.#answer(request);
    client.isWhole = false;
    client.isOver = !request.isKept;
    socket.cork();
    const pieces = encodeAnswer(request.id, header, body);
    for (const piece of pieces) socket.write(piece);
    socket.uncork();
    if (client.isOver) {
      socket.end(() => {
        this.#allow(client, lingerMs);
        this.#rest(client);
      });
    } else socket.write('', () => this.#rest(client));
  }

  /** It sends nothing more, and may read still. */
  #noteEnd(client: Client): void {
    const { socket } = client;
    client.isWhole = true;
    client.isOver = true;
    if (socket.writableEnded) this.#rest(client);
    else socket.end(() => this.#rest(client));
  }

  /** Question and answer are over. */
  #rest(client: Client): void {
    const { socket, isOver, isWhole } = client;
    if (!isWhole || socket.writableLength > 0 || socket.destroyed) return;
    if (isOver) {
      if (socket.writableFinished) socket.destroy();
      return;
    }
    client.isKept = true;
    this.#allow(client, keptMs);
  }
}
