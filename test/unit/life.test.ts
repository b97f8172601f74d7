// The life of a pool: the first reason wins, the second request kills, and whoever subscribed hears of each change once.
import { expect, test } from 'vitest';
import { Life, type LifeEvent } from '../../src/core/life.ts';

function live(...events: readonly LifeEvent[]): Life {
  const life = new Life();
  for (const event of events) life.change(event);
  return life;
}

test.each<[readonly LifeEvent[], object]>([
  [[], { kind: 'starting' }],
  [['up'], { kind: 'serving' }],
  [['up', 'failed', 'emptied', 'overdue', 'cleared'], { kind: 'serving' }],
  [['limited', 'overdue'], { kind: 'starting' }],
  [['failed'], { kind: 'stopping', reason: 'start-failed', hasWorkers: false }],
  [['up', 'limited', 'drain'], { kind: 'stopping', reason: 'start-limit', isAsked: false }],
  [['up', 'stop', 'limited', 'drain', 'up'], { kind: 'stopping', reason: 'asked', hasWorkers: true }],
  [['up', 'drain'], { kind: 'draining', reason: 'drained', isAsked: false }],
  [['stop', 'stop'], { kind: 'killing', reason: 'asked', cause: 'second signal' }],
  [['stop', 'overdue', 'stop'], { kind: 'killing', cause: '--stop-timeout' }],
  [['stop', 'emptied', 'stop', 'up'], { kind: 'killing', hasWorkers: false }],
  [['up', 'stop', 'emptied', 'cleared', 'stop', 'overdue'], { kind: 'ended', reason: 'asked' }],
])('after %j it is %j', (events, state) => {
  expect(live(...events).state).toMatchObject(state);
});

test.each<LifeEvent>(['limited', 'drain'])(
  'the first stop after %s asks, and only the next one kills',
  (end) => {
    expect(live('up', end, 'stop').state).toMatchObject({ isAsked: true });
    expect(live('up', end, 'stop', 'stop').state).toMatchObject({ kind: 'killing' });
  },
);

test('whoever subscribed hears of each kind of state once', () => {
  const life = new Life();
  const heard: string[] = [];
  life.subscribe((now, before) => void heard.push(`${before.kind} ${now.kind}`));
  for (const event of ['up', 'up', 'limited', 'stop', 'emptied', 'stop', 'cleared', 'cleared'] as const)
    life.change(event);
  expect(heard).toStrictEqual(['starting serving', 'serving stopping', 'stopping killing', 'killing ended']);
});
