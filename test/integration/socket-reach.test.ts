// What a listening socket is asked: whether a client can reach it, and which of its options are in the way. Of sockets
// without a pool; what pools make of the answers is in socket-proof.test.ts.
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { libc } from '../../src/sys/libc/libc.ts';
import { optionsInTheWay, resetOptions } from '../../src/sys/socket-state/listener-options.ts';
import { describeReach, reachOf } from '../../src/sys/socket-state/reach.ts';
import { rawOption, setRawOption } from '../../src/sys/socket-state/socket-facts.ts';
import { atEnd, waitFor } from '../helpers/machine/index.ts';
import { listenSomewhere, intOf, SOL_SOCKET, timeOf } from '../helpers/sys/index.ts';

/** What a worker of any user may set: those that keep clients out, or their answers, and those that do other harm. */
const others = ['SO_SNDTIMEO', 'SO_LINGER', 'SO_RCVLOWAT', 'SO_DONTROUTE', 'SO_MAX_PACING_RATE', 'IP_TTL'];
const settings: readonly (readonly [name: string, level: number, number: number, value: Buffer])[] = [
  ['SO_RCVTIMEO', SOL_SOCKET, 20, timeOf(1)],
  ['SO_SNDTIMEO', SOL_SOCKET, 21, timeOf(1)],
  ['SO_LINGER', SOL_SOCKET, 13, Buffer.concat([intOf(1), intOf(0)])],
  ['SO_RCVLOWAT', SOL_SOCKET, 18, intOf(1 << 20)],
  ['SO_DONTROUTE', SOL_SOCKET, 5, intOf(1)],
  ['SO_MAX_PACING_RATE', SOL_SOCKET, 47, intOf(1)],
  ['SO_REUSEPORT', SOL_SOCKET, 15, intOf(1)],
  ['SO_REUSEADDR', SOL_SOCKET, 2, intOf(0)],
  ['IP_TTL', 0, 2, intOf(1)],
  ['IP_MINTTL', 0, 21, intOf(255)],
  ['IP_MTU_DISCOVER', 0, 10, intOf(3)],
  ['IP_RECVERR', 0, 11, intOf(1)],
  ['TCP_DEFER_ACCEPT', 6, 9, intOf(30)],
  ['TCP_CORK', 6, 3, intOf(1)],
  ['TCP_LINGER2', 6, 8, intOf(-1)],
  ['TCP_USER_TIMEOUT', 6, 18, intOf(1)],
  ['TCP_TX_DELAY', 6, 37, intOf(900_000)],
  ['TCP_WINDOW_CLAMP', 6, 10, intOf(1)],
  ['TCP_MAXSEG', 6, 2, intOf(88)],
];
const settingsOfSix: typeof settings = [
  ['IPV6_UNICAST_HOPS', 41, 16, intOf(1)],
  ['IPV6_MINHOPCOUNT', 41, 73, intOf(255)],
  ['IPV6_MTU_DISCOVER', 41, 23, intOf(3)],
  ['IPV6_RECVERR', 41, 25, intOf(1)],
];

test.for([
  ['127.0.0.1', settings],
  ['::1', [...settings, ...settingsOfSix]],
] as const)(
  'whatever a worker may set on a socket of %s is seen if it keeps clients out, and taken back',
  async ([host, all]) => {
    const socket = await listenSomewhere('tcp', 16, host);
    const asNew = all.map(([, level, number, { length }]) =>
      rawOption(socket.descriptor, level, number, length),
    );
    for (const [name, level, number, value] of all)
      expect([name, setRawOption(socket.descriptor, level, number, value)]).toEqual([name, true]);
    for (const size of [7, 8]) setRawOption(socket.descriptor, SOL_SOCKET, size, intOf(1));
    expect(optionsInTheWay(socket.descriptor)).toEqual(expect.arrayContaining(others));
    expect(resetOptions(socket.descriptor)).toHaveLength(all.length);
    expect(optionsInTheWay(socket.descriptor)).toEqual([]);
    const after = all.map(([, level, number, { length }]) =>
      rawOption(socket.descriptor, level, number, length),
    );
    const exact = (index: number): boolean => all[index]?.[0] !== 'TCP_WINDOW_CLAMP';
    expect(after.filter((_value, index) => exact(index))).toEqual(
      asNew.filter((_value, index) => exact(index)),
    );
    expect(resetOptions(socket.descriptor)).toEqual([]);
    expect(reachOf({ socket, path: undefined })).toEqual({ kind: 'reachable' });
  },
);

describe.for(['unix', 'tcp'] as const)('a %s socket', (kind) => {
  test('that listens is reachable, and the connection waits for nobody', async () => {
    const socket = await listenSomewhere(kind);
    const goal = { socket, path: 'path' in socket.target ? socket.target.path : undefined };
    expect(reachOf(goal)).toEqual({ kind: 'reachable' });
  });

  test('whose queue is full is known as full, not as out of reach', async () => {
    const socket = await listenSomewhere(kind, 1);
    const goal = { socket, path: 'path' in socket.target ? socket.target.path : undefined };
    for (let count = 0; count < 3; count += 1) {
      const client = connect(socket.target);
      client.on('error', () => undefined);
      atEnd(() => void client.destroy());
    }
    const full = await waitFor('a full queue', () => {
      const reach = reachOf(goal);
      return reach.kind === 'full' && reach;
    });
    expect(describeReach(full)).toBeUndefined();
  });
});

/** Another socket on 127.0.0.1 and the same port; false: that port is in use there. */
function listenBeside({ descriptor, target }: Awaited<ReturnType<typeof listenSomewhere>>): boolean {
  const SO_REUSEPORT = 15;
  expect(setRawOption(descriptor, SOL_SOCKET, SO_REUSEPORT, intOf(1))).toBe(true);
  const thief = libc.socket(2, 1, 0);
  atEnd(() => void libc.close(thief));
  setRawOption(thief, SOL_SOCKET, SO_REUSEPORT, intOf(1));
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(2);
  bytes.writeUInt16BE('port' in target ? target.port : 0, 2);
  bytes.writeUInt32BE(0x7f000001, 4);
  return libc.bind(thief, bytes, bytes.length) === 0 && libc.listen(thief, 16) === 0;
}

test('a TCP socket beside another one that gets its connections leads elsewhere', async () => {
  const wide = await waitFor('a port whose 127.0.0.1 no connection of somebody else has', async () => {
    const listening = await listenSomewhere('tcp', 16, '0.0.0.0');
    return listenBeside(listening) && listening;
  });
  expect(reachOf({ socket: wide, path: undefined })).toEqual({ kind: 'elsewhere' });
});
