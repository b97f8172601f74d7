// What `ping` and the heading of `status` call a pool, by what its supervisor sees.
import { describe, expect, test } from 'vitest';
import { judgeHealth } from '../../src/control/health.ts';
import type { PoolSummary } from '../../src/control/protocol.ts';
import { examplePool } from '../helpers/models/index.ts';

const full = { length: 3, backlog: 128 };

describe('a pool', () => {
  test.each<[Partial<PoolSummary>, string, string]>([
    [{}, 'serving', 'serving'],
    [{ idle: 0, busy: 4, queue: full }, 'saturated', 'saturated'],
    [{ idle: 0, busy: 4, queue: null }, 'serving', 'serving'],
    [{ idle: 1, busy: 3, queue: full }, 'serving', 'serving'],
    [{ idle: 1, busy: 1, backoff: 2 }, 'serving', 'serving: 2 of 4 workers in backoff'],
    [{ idle: 0, busy: 1, backoff: 3, queue: full }, 'saturated', 'saturated: 3 of 4 workers in backoff'],
    [{ serving: 'no' }, 'not-serving', 'not serving: no worker accepts'],
    [{ serving: 'no', queue: full }, 'not-serving', 'not serving: no worker accepts'],
    [{ serving: 'unknown' }, 'unknown', 'unknown: its workers may not be looked into'],
    [{ idle: 0, busy: 0, serving: 'no' }, 'not-serving', 'not serving: no worker is up'],
    [{ idle: 0, busy: 0, serving: 'no', backoff: 4 }, 'not-serving', 'failing: all 4 workers in backoff'],
    [
      { idle: 0, busy: 0, serving: 'no', backoff: 3 },
      'not-serving',
      'failing: 3 of 4 workers in backoff, none is up',
    ],
    [
      { idle: 0, busy: 0, serving: 'no', backoff: 1, wanted: 1 },
      'not-serving',
      'failing: its worker is in backoff',
    ],
    [{ socketFile: 'gone' }, 'not-serving', 'not serving: its socket file is gone'],
    [
      { socketFile: 'replaced', idle: 0, busy: 4 },
      'not-serving',
      'not serving: its socket file was replaced',
    ],
    [{ socketFile: null }, 'serving', 'serving'],
    [{ phase: 'starting' }, 'not-serving', 'starting'],
    [{ phase: 'stopping', serving: 'yes' }, 'not-serving', 'stopping'],
  ])('with %j is %s: %s', (changes, kind, text) => {
    expect(judgeHealth(examplePool(changes))).toStrictEqual({ kind, text });
  });
});
