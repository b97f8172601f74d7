// The command `events` of the control socket: its clients stay, and get each event as it happens. Who reads none of them
// loses the connection (src/control/server.ts); nobody is waited for, and without an event nobody is woken.
import { eventFacts, type EventSource } from '../core/text/event-json.ts';
import { describeEvent } from '../core/text/event-text.ts';
import type { PoolEvent } from '../core/text/pool-event.ts';
import type { Command, ControlClient } from '../control/server.ts';
import type { Feature } from './feature.ts';

export class EventStream implements Feature {
  readonly commands: Readonly<Record<string, Command>> = {
    events: { client: 'stays', isQuestion: true, carryOut: (_fields, client) => this.#follow(client) },
  };
  readonly #source: EventSource;
  readonly #clients = new Set<ControlClient>();

  constructor(source: EventSource) {
    this.#source = source;
  }

  #follow(client: ControlClient): void {
    this.#clients.add(client);
    client.socket.on('close', () => this.#clients.delete(client));
    // A client that has gone half-way would stay for as long as nothing happens.
    client.socket.on('end', () => client.socket.destroy());
    client.progress('following');
  }

  said(event: PoolEvent): void {
    if (this.#clients.size === 0) return;
    const facts = eventFacts(event, this.#source, new Date());
    const text = describeEvent(event);
    for (const client of this.#clients) client.send({ event: facts, text });
  }

  /** Behind the last event. */
  farewell(done: () => void): void {
    for (const client of this.#clients) client.answer({ ok: true, status: 0, message: 'stopped' });
    done();
  }
}
