// Commands that features answer at the control socket: how they are found, and clients that stay.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { LineReader } from '../../src/control/line-reader.ts';
import * as control from '../../src/control/server.ts';
import { duplicate } from '../../src/sys/connection/descriptor-passing.ts';
import { atEnd, waitFor } from '../helpers/machine/index.ts';
import { listenSomewhere, pathOf } from '../helpers/sys/index.ts';

const answer = { ok: true, status: 0, message: 'done' } as const;

test('a command gets its fields, unjudged, and may send lines of its own before its answer', async () => {
  const fields: unknown[] = [];
  const say: control.Command = {
    carryOut(given, client) {
      fields.push(given);
      client.send({ event: 'one' });
      client.answer(answer);
      client.send({ event: 'too late' });
    },
  };
  const { ask } = await serve({ say });
  const client = ask('{"v":1,"command":"say","to":[null]}');
  await waitFor('two lines', () => client.lines.length === 2);
  expect(fields).toEqual([{ to: [null] }]);
  expect(client.lines).toEqual([
    { v: 1, event: 'one' },
    { v: 1, ...answer },
  ]);
});

test('a command that no feature has is unknown', async () => {
  const { ask } = await serve({});
  const client = ask('{"v":1,"command":"say"}');
  await waitFor('the answer', () => client.lines.length === 1);
  expect(client.lines).toMatchObject([{ ok: false, error: 'unknown-command' }]);
});

test('clients that stay are told of what comes, as many as there is room for, and stand in nobody’s way', async () => {
  const staying: control.ControlClient[] = [];
  const watch: control.Command = {
    client: 'stays',
    carryOut: (_fields, client) => void staying.push(client),
  };
  const wait: control.Command = { client: 'waits', carryOut: (_fields, client) => client.answer(answer) };
  const { ask } = await serve({ watch, wait });
  const clients = Array.from({ length: 64 }, () => ask('{"v":1,"command":"watch"}'));
  await waitFor('all clients', () => staying.length === 64);
  const late = ask('{"v":1,"command":"watch"}');
  await waitFor('the refusal', () => late.lines.length === 1);
  expect(late.lines).toMatchObject([{ error: 'busy', message: 'busy: 64 clients listen already' }]);
  const other = ask('{"v":1,"command":"wait"}');
  await waitFor('the answer', () => other.lines.length === 1);
  expect(other.lines).toEqual([{ v: 1, ...answer }]);
  for (const client of staying) client.send({ event: 'up' });
  await waitFor('a line for each', () => clients.every(({ lines }) => lines.length === 1));
  expect(clients.map(({ lines }) => lines)).toEqual(clients.map(() => [{ v: 1, event: 'up' }]));
  clients[0]?.socket.destroy();
  await waitFor('its end', () => {
    staying[0]?.send({ event: 'gone?' });
    return staying[0]?.socket.destroyed;
  });
  ask('{"v":1,"command":"watch"}');
  await waitFor('one more', () => staying.length === 65);
});

test('a client that stays and never reads loses its connection', async () => {
  const staying: control.ControlClient[] = [];
  const watch: control.Command = {
    client: 'stays',
    carryOut: (_fields, client) => void staying.push(client),
  };
  const { ask } = await serve({ watch });
  ask('{"v":1,"command":"watch"}').socket.pause();
  await waitFor('the client', () => staying.length === 1);
  await waitFor('its end', () => {
    staying[0]?.send({ event: 'x'.repeat(100_000) });
    return staying[0]?.socket.destroyed;
  });
});

async function serve(commands: Readonly<Record<string, control.Command>>) {
  const listening = await listenSomewhere('unix', 128);
  const actions: control.ControlActions = {
    commands: new Map(Object.entries(commands)),
    carryOut: () => undefined,
    carryOutCommand: ({ fields }, command, client) => command.carryOut(fields, client),
  };
  const rights = { mayChange: () => true, changeAsked: () => undefined };
  const server = new control.ControlServer(duplicate(listening.descriptor), actions, rights);
  atEnd(() => server.close());
  const ask = (request: string): { readonly socket: Socket; readonly lines: unknown[] } => {
    const socket = connect(pathOf(listening));
    atEnd(() => void socket.destroy());
    const lines: unknown[] = [];
    const reader = new LineReader(1024 * 1024);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) =>
      lines.push(...reader.push(chunk).map((line) => JSON.parse(line) as unknown)),
    );
    void once(socket, 'connect').then(() => socket.write(`${request}\n`));
    return { socket, lines };
  };
  return { ask };
}
