// Who has left the session of a worker with the socket is told of once, and is of the old generation if it was there before the new one.
import { beforeEach, expect, test } from 'vitest';
import type { PoolEvent } from '../../src/core/text/pool-event.ts';
import type { SocketHolder } from '../../src/core/machine.ts';
import { Strays } from '../../src/supervisor/ending/strays.ts';

let holders: SocketHolder[];
let events: PoolEvent[];
let strays: Strays;

beforeEach(() => {
  holders = [];
  events = [];
  const look = (): { holders: SocketHolder[]; isCertain: boolean } => ({ holders, isCertain: true });
  strays = new Strays({
    holders: { amongOrphans: look, amongAll: look, spare: () => undefined },
    log: { write: (event) => void events.push(event), reopen: () => undefined },
    slotOf: (worker) => (worker === 101 ? 3 : undefined),
  });
});

function holder(pid: number, worker?: number): SocketHolder {
  return { pid, startTime: String(pid * 10), session: pid, name: 'app', worker };
}

test('each is told of once, with the slot of the worker above it', () => {
  holders = [holder(201), holder(202, 101)];
  strays.amongAll();
  strays.amongOrphans();
  expect(events).toStrictEqual([
    { event: 'socket-held', holder: 201, name: 'app' },
    { event: 'socket-held', holder: 202, name: 'app', slot: 3 },
  ]);
});

test('another process with the number of one before is told of again', () => {
  holders = [holder(201)];
  strays.amongAll();
  holders = [{ ...holder(201), startTime: '99' }];
  strays.amongAll();
  expect(events).toHaveLength(2);
});

test('only who was there before the first new worker is of the old generation', () => {
  holders = [holder(201)];
  strays.beforeNewGeneration();
  holders = [holder(201), holder(202)];
  strays.beforeNewGeneration();
  expect(strays.afterNewGeneration().map(({ pid }) => pid)).toStrictEqual([201]);
});

test('a generation that never began has none before it', () => {
  holders = [holder(201)];
  expect(strays.afterNewGeneration()).toStrictEqual([]);
});
