// What features hand over with a pool: the lines and descriptors on the wire, with supervisors that know of it and with
// those that do not.
import { expect, test } from 'vitest';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ControlClient } from '../../src/control/server.ts';
import { FeatureList } from '../../src/features/feature-list.ts';
import type { Feature } from '../../src/features/feature.ts';
import { Handover, type HandoverOptions } from '../../src/features/handover/hand-over.ts';
import { PoolGiver } from '../../src/start/source/pool-giver.ts';
import { ControlConnection } from '../../src/sys/connection/control-connection.ts';
import { compileC, fixture } from '../helpers/compile-c.ts';
import { atEnd } from '../helpers/cleanup.ts';
import { listenSomewhere, pathOf, startWorker } from '../helpers/lone-worker.ts';
import { makeTempDir } from '../helpers/temp-dir.ts';

const peer = compileC(fixture('control-peer.c'));
const waitMs = 10_000;
const offer = '{"handover":"offer"}';

test('a giver sends what its features give, as many descriptors as they are, before its offer', async () => {
  const [one, two] = [openNull(), openNull()];
  const taker = await beginHandover(
    [
      {
        name: 'output',
        gives: () => ({ descriptors: [one, two, one, two, one, two, one, two, one], data: [7] }),
      },
      { name: 'words', gives: () => ({ descriptors: [], data: 'no descriptor' }) },
      { name: 'mute' },
    ],
    { pid: process.pid, takesGifts: true },
  );
  expect([1, 2, 3, 4].map(() => describeLine(taker))).toEqual([
    [{ v: 1, handover: 'gift', feature: 'output', data: [7] }, 8],
    [{ v: 1, handover: 'gift', feature: 'output' }, 1],
    [{ v: 1, handover: 'gift', feature: 'words', data: 'no descriptor' }, 0],
    [{ v: 1, handover: 'offer' }, 4],
  ]);
});

test('a taker that does not ask for gifts, an older one, gets the offer alone', async () => {
  const features = [{ name: 'output', gives: () => ({ descriptors: [openNull()] }) }];
  const taker = await beginHandover(features, { pid: process.pid });
  expect(describeLine(taker)).toEqual([{ v: 1, handover: 'offer' }, 4]);
});

test('a taker keeps the gifts that come before the offer', async () => {
  const giver = await askPeer(
    'give=2:{"handover":"gift","feature":"output","data":{"a":1}}/',
    'give=1:{"handover":"gift","feature":"output"}/',
    `give=4:${offer}/`,
  );
  const taken: unknown[] = [];
  const list = listOf([
    {
      name: 'output',
      takes({ data, descriptors }) {
        taken.push(data, descriptors.map(targetOf));
        descriptors.forEach((descriptor) => closeSync(descriptor));
      },
    },
  ]);
  list.take(giver.gifts);
  expect(taken).toEqual([{ a: 1 }, ['/dev/null', '/dev/null', '/dev/null']]);
});

test('what no feature of the taker wants is closed', async () => {
  const before = openNulls();
  const giver = await askPeer('give=3:{"handover":"gift","feature":"unheard-of"}/', `give=4:${offer}/`);
  expect(openNulls()).toBe(before + 7);
  listOf([{ name: 'output' }]).take(giver.gifts);
  expect(openNulls()).toBe(before + 4);
});

test('a giver that knows no gifts, an older one, gives the pool all the same', async () => {
  const giver = await askPeer(`give=4:${offer}/`);
  expect(giver.gifts).toEqual([]);
  expect(targetOf(giver.offer.control)).toBe('/dev/null');
});

test('gifts before a refusal are closed with it', async () => {
  const before = openNulls();
  const gift = 'give=3:{"handover":"gift","feature":"output"}/';
  await expect(askPeer(gift, 'say={"ok":false,"message":"busy: reload"}/')).rejects.toThrow('busy: reload');
  await expect(askPeer(gift, `give=5:${offer}/`)).rejects.toThrow('it does not answer as expected');
  await expect(askPeer('give=3:{"handover":"gift"}/', `give=4:${offer}/`)).rejects.toThrow('as expected');
  expect(openNulls()).toBe(before);
});

/** The request is read before anything is said, as by a supervisor. */
async function askPeer(...steps: readonly string[]): Promise<PoolGiver> {
  const socket = await listenSomewhere('unix');
  startWorker(socket, [peer, ...steps, 'wait']);
  const giver = await PoolGiver.ask(pathOf(socket), 'here', waitMs);
  if (!giver) throw new Error('the peer is gone');
  atEnd(() => {
    giver.close();
    for (const descriptor of Object.values(giver.offer)) closeSync(descriptor as number);
  });
  return giver;
}

/** The other end of the connection on which the pool is offered. */
async function beginHandover(
  features: readonly Feature[],
  request: Readonly<Record<string, unknown>>,
): Promise<ControlConnection> {
  const path = join(makeTempDir(), 'ctl');
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

function listOf(features: readonly Feature[]): FeatureList {
  const list = new FeatureList((error) => {
    throw error;
  });
  list.add(...features);
  return list;
}

function describeLine(taker: ControlConnection): [unknown, number] {
  const received = taker.receiveLine(waitMs);
  if (typeof received === 'string') throw new Error(received);
  received.descriptors.forEach((descriptor) => closeSync(descriptor));
  return [JSON.parse(received.line), received.descriptors.length];
}

function openNull(): number {
  const descriptor = openSync('/dev/null', 'r+');
  atEnd(() => closeSync(descriptor));
  return descriptor;
}

function openNulls(): number {
  return readdirSync('/proc/self/fd').filter((name) => targetOf(Number(name)) === '/dev/null').length;
}

function targetOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}
