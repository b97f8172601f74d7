// Orders take turns: ends before starts before everything else, one at a time, and none is lost.
import { expect, test } from 'vitest';
import { OrderQueue, type Hands } from '../../src/core/pool/order-queue.ts';
import { orderTraits, type OrderKind, type PoolOrder } from '../../src/core/pool/orders.ts';

/** A queue whose hands note each order in a line, and do what the test wants on top. */
function create(then: Partial<Record<OrderKind, () => void>> = {}, heeds = (_order: PoolOrder) => true) {
  const lines: string[] = [];
  const causes: unknown[] = [];
  const note = ({ kind, ...rest }: PoolOrder, cause: string | undefined): void => {
    causes.push(cause);
    lines.push('slot' in rest ? `${kind} ${rest.slot}` : kind);
    then[kind]?.();
  };
  const kinds = Object.keys(orderTraits) as OrderKind[];
  const single = Object.fromEntries(kinds.map((kind) => [kind, note])) as unknown as Hands<string>;
  const hands: Hands<string> = {
    ...single,
    terminate: (orders) => {
      lines.push(`terminate ${orders.map(({ pid }) => pid).join(' ')}`);
      then.terminate?.();
    },
  };
  return { lines, causes, queue: new OrderQueue<string>({ heeds }, hands) };
}

const scaled: PoolOrder = { kind: 'scaled', from: 1, reason: undefined, workers: 1 };
const stopped: PoolOrder = { kind: 'stopped' };
const spawn = (slot: number): PoolOrder => ({ kind: 'spawn', slot });
const terminate = (slot: number): PoolOrder => ({ kind: 'terminate', slot, pid: 100 + slot });

test('ends go first, all at once, then starts, then the rest in the order in which it was given', () => {
  const { queue, lines } = create();
  queue.carryOut([scaled, spawn(1), terminate(2), stopped, { kind: 'reset-socket' }, spawn(0), terminate(3)]);
  expect(lines).toStrictEqual([
    'terminate 102 103',
    'reset-socket',
    'spawn 1',
    'spawn 0',
    'scaled',
    'stopped',
  ]);
});

test('what an order leads to waits until that is done, and overtakes what is less urgent', () => {
  const { queue, lines } = create({
    scaled: () => {
      queue.carryOut([stopped, spawn(5), terminate(6)]);
      lines.push('scaled is done');
    },
  });
  queue.carryOut([scaled, { kind: 'promoted', slot: 0, pid: 1 }]);
  expect(lines).toStrictEqual([
    'scaled',
    'scaled is done',
    'terminate 106',
    'spawn 5',
    'promoted 0',
    'stopped',
  ]);
});

test('a fact that an order brings to light is told when nothing waits any more, one after the other', () => {
  const { queue, lines } = create({
    spawn: () => {
      queue.tellLater(() => {
        lines.push('a spawn has failed');
        queue.carryOut([stopped]);
      });
    },
  });
  queue.carryOut([spawn(0), spawn(1), scaled]);
  const told = ['a spawn has failed', 'stopped'];
  expect(lines).toStrictEqual(['spawn 0', 'spawn 1', 'scaled', ...told, ...told]);
});

test('an order that holds no more when its turn comes is left out', () => {
  let isStopping = false;
  const { queue, lines } = create(
    { scaled: () => void (isStopping = true) },
    ({ kind }) => !(isStopping && orderTraits[kind].isBeginning),
  );
  const begun: PoolOrder = { kind: 'reload-begun', generation: 2 };
  queue.carryOut([begun, scaled, { kind: 'try', slot: 0, generation: 2, step: 1 }, begun, stopped]);
  expect(lines).toStrictEqual(['reload-begun', 'scaled', 'stopped']);
});

test('an order that throws keeps no other from its turn, and whoever gave the orders hears of the first', () => {
  const { queue, lines } = create({
    scaled: () => {
      throw new Error('the log is gone');
    },
    terminate: () => {
      throw new Error('no such process');
    },
  });
  expect(() => queue.carryOut([scaled, terminate(0), stopped])).toThrow('no such process');
  expect(lines).toStrictEqual(['terminate 100', 'scaled', 'stopped']);
  expect(queue.isAtWork).toBe(false);
});

test('each order hears what led to it', () => {
  const { queue, lines, causes } = create();
  queue.carryOut([scaled], 'a client');
  queue.carryOut([stopped]);
  expect(lines).toStrictEqual(['scaled', 'stopped']);
  expect(causes).toStrictEqual(['a client', undefined]);
});
