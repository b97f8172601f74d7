// A giver that says what a test wants, and descriptors to give.
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { PoolGiver } from '../../../src/start/source/pool-giver.ts';
import { compileC, fixture } from '../build/index.ts';
import { atEnd } from '../machine/index.ts';
import { listenSomewhere, pathOf, startWorker } from '../sys/index.ts';

const peer = compileC(fixture('control-peer.c'));
const waitMs = 10_000;

/** The request is read before anything is said, as by a supervisor. */
export async function askPeer(...steps: readonly string[]): Promise<PoolGiver> {
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

export function openNull(): number {
  const descriptor = openSync('/dev/null', 'r+');
  atEnd(() => closeSync(descriptor));
  return descriptor;
}

export function openNulls(): number {
  return readdirSync('/proc/self/fd').filter((name) => targetOf(Number(name)) === '/dev/null').length;
}

export function targetOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}
