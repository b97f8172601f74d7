// The life of a pool: the first reason wins, the second request kills, and whoever subscribed hears of each change once.
import { expect, test } from 'vitest';
import { Life, type Abandonment, type LifeEvent } from '../../src/core/life.ts';

function live(...events: readonly LifeEvent[]): Life {
  const life = new Life();
  for (const event of events) life.change(event);
  return life;
}

const up = ['up', 'answered', 'announced'] as const;

test.each<[readonly LifeEvent[], object]>([
  [[], { kind: 'starting' }],
  [['answered', 'announced'], { kind: 'starting' }],
  [['up'], { kind: 'answering' }],
  [['up', 'announced', 'failed'], { kind: 'answering' }],
  [['up', 'answered', 'up'], { kind: 'announcing' }],
  [up, { kind: 'serving' }],
  [[...up, 'failed', 'emptied', 'overdue', 'cleared'], { kind: 'serving' }],
  [['limited', 'overdue'], { kind: 'starting' }],
  [['failed'], { kind: 'stopping', reason: 'start-failed', hasWorkers: false, wasUp: false }],
  [['up', 'limited', 'answered'], { kind: 'stopping', reason: 'start-limit', wasUp: false }],
  [['up', 'answered', 'stop', 'announced'], { kind: 'stopping', reason: 'asked', wasUp: false }],
  [[...up, 'limited', 'drain'], { kind: 'stopping', reason: 'start-limit', isAsked: false, wasUp: true }],
  [[...up, 'stop', 'limited', 'drain', 'up'], { kind: 'stopping', reason: 'asked', hasWorkers: true }],
  [[...up, 'drain'], { kind: 'draining', reason: 'drained', isAsked: false }],
  [['stop', 'stop'], { kind: 'killing', reason: 'asked', cause: 'second signal' }],
  [['stop', 'overdue', 'stop'], { kind: 'killing', cause: '--stop-timeout' }],
  [['stop', 'emptied', 'stop', 'up'], { kind: 'killing', hasWorkers: false }],
  [[...up, 'stop', 'emptied', 'cleared', 'stop', 'overdue'], { kind: 'ended', reason: 'asked', wasUp: true }],
])('after %j it is %j', (events, state) => {
  expect(live(...events).state).toMatchObject(state);
});

/** How far its workers are, and what others are told of it. */
test.each<[readonly LifeEvent[], string, string, boolean]>([
  [[], 'starting', 'starting', false],
  [['up'], 'serving', 'starting', false],
  [['up', 'answered'], 'serving', 'starting', false],
  [up, 'serving', 'serving', true],
  [[...up, 'stop'], 'stopping', 'stopping', true],
  [[...up, 'stop', 'emptied', 'stop', 'cleared'], 'stopped', 'stopping', true],
  [['up', 'answered', 'stop', 'stop'], 'stopping', 'stopping', false],
  [['failed', 'cleared'], 'stopped', 'stopping', false],
])('after %j its workers are %s, it is said to be %s, and to have been up: %s', (events, ...expected) => {
  const { phase, toldPhase, wasUp } = live(...events);
  expect([phase, toldPhase, wasUp]).toStrictEqual(expected);
});

function because(reason: string): Abandonment {
  return { reason, status: 1, hints: [] };
}

test.each<[readonly LifeEvent[]]>([[[]], [['up']], [['up', 'answered']]])(
  'the first word against a start counts, after %j',
  (events) => {
    const life = live(...events);
    life.change('stop', because('the command was ended'));
    life.change('stop', because('start interrupted by TERM'));
    life.change('stop');
    expect(life.state.kind).toBe('killing');
    life.change('cleared');
    expect(life.abandonment?.reason).toBe('the command was ended');
  },
);

test.each<[readonly LifeEvent[], string | undefined]>([
  [['failed'], 'too late'],
  [['up', 'limited'], 'too late'],
  [['stop'], 'too late'],
  [['stop', 'overdue'], 'too late'],
  [['failed', 'cleared'], undefined],
  [[...up, 'stop'], undefined],
  [up, undefined],
])('what is said against it after %j is kept as %j', (events, reason) => {
  const life = live(...events);
  life.change('stop', because('too late'));
  expect(life.abandonment?.reason).toBe(reason);
});

test.each<LifeEvent>(['limited', 'drain'])(
  'the first stop after %s asks, and only the next one kills',
  (end) => {
    expect(live(...up, end, 'stop').state).toMatchObject({ isAsked: true });
    expect(live(...up, end, 'stop', 'stop').state).toMatchObject({ kind: 'killing' });
  },
);

test('whoever subscribed hears of each kind of state once', () => {
  const life = new Life();
  const heard: string[] = [];
  life.subscribe((now, before) => void heard.push(`${before.kind} ${now.kind}`));
  for (const event of [...up, 'up', 'limited', 'stop', 'emptied', 'stop', 'cleared', 'cleared'] as const)
    life.change(event);
  expect(heard).toStrictEqual([
    'starting answering',
    'answering announcing',
    'announcing serving',
    'serving stopping',
    'stopping killing',
    'killing ended',
  ]);
});
