// The other end of a giver of ours, without a pool behind it.
import { closeSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { FeatureList } from '../../../src/features/feature-list.ts';
import type { Feature } from '../../../src/features/feature.ts';
import { Handover, type HandoverOptions } from '../../../src/features/handover/hand-over.ts';
import { ControlConnection } from '../../../src/sys/connection/control-connection.ts';
import { openNull } from './handover-giver.ts';
import { atEnd, makeTempDir } from '../machine/index.ts';

type ControlClient = Parameters<typeof Handover.begin>[1];

const waitMs = 10_000;

/** The other end of the connection on which the pool is offered. */
export async function beginHandover(
  features: readonly Feature[],
  request: Readonly<Record<string, unknown>>,
): Promise<ControlConnection> {
  const path = `${makeTempDir()}/ctl`;
  const server = createServer().listen(path);
  await once(server, 'listening');
  const taker = ControlConnection.connect(path, waitMs);
  const [socket] = (await once(server, 'connection')) as [Socket];
  atEnd(() => {
    taker.close();
    socket.destroy();
    server.close();
  });
  const nothing = (): void => undefined;
  const options = {
    prepared: { socket: { descriptor: openNull() }, files: { descriptors: [1, 2, 3].map(openNull) } },
    supervisor: { unendable: undefined, setHandingOver: nothing, endAdopted: nothing, roster: { pids: [] } },
    features: listOf(features),
    log: { write: nothing },
    clock: { after: () => nothing },
    patienceMs: waitMs,
  };
  const client = { socket, onLine: undefined };
  Handover.begin(options as unknown as HandoverOptions, client as unknown as ControlClient, request);
  return taker;
}

export function listOf(features: readonly Feature[]): FeatureList {
  const list = new FeatureList((error) => {
    throw error;
  });
  list.add(...features);
  return list;
}

export function describeLine(taker: ControlConnection): [unknown, number] {
  const received = taker.receiveLine(waitMs);
  if (typeof received === 'string') throw new Error(received);
  received.descriptors.forEach((descriptor) => closeSync(descriptor));
  return [JSON.parse(received.line), received.descriptors.length];
}
