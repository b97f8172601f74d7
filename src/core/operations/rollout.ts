// A rolling reload as a table: stage by event. It says what is to be done next;
// the pool, which knows the slots, does it. docs/internals/reload.md has the stages for people.

/**
 * `probing` one extra worker on a private socket; `trying` a new worker beside the old one
 * of a slot; `replacing` the new one has the slot, the old one is ending; `settling` every
 * slot is new; `reverting` and `restoring` are `trying` and `replacing` on the way back.
 */
export type RolloutStage = 'probing' | 'trying' | 'replacing' | 'settling' | 'reverting' | 'restoring';

/**
 * `answered` the probe is good; `up` and `lost` the candidate is up, or has ended; `late` it
 * was not up in time; `gone` the old worker has ended; `fell` a worker of the new generation
 * ended unasked in its slot; `settled` the time after the last step is over.
 */
export type RolloutEvent = 'answered' | 'up' | 'lost' | 'late' | 'gone' | 'fell' | 'settled';

/**
 * `next` takes the next slot; `promote` gives the candidate its slot; `fail` turns round;
 * `refill` puts a worker of the old generation into the emptied slot; `give-up` ends with
 * both generations in service; `finish` ends as wanted.
 */
export type RolloutAction = 'ignore' | 'next' | 'promote' | 'fail' | 'refill' | 'give-up' | 'finish';

type Table = { readonly [S in RolloutStage]: { readonly [E in RolloutEvent]: RolloutAction } };

const table: Table = {
  probing: {
    answered: 'next',
    up: 'ignore',
    lost: 'fail',
    late: 'fail',
    gone: 'ignore',
    fell: 'ignore',
    settled: 'ignore',
  },
  trying: {
    answered: 'ignore',
    up: 'promote',
    lost: 'fail',
    late: 'fail',
    gone: 'ignore',
    fell: 'fail',
    settled: 'ignore',
  },
  replacing: {
    answered: 'ignore',
    up: 'ignore',
    lost: 'ignore',
    late: 'ignore',
    gone: 'next',
    fell: 'fail',
    settled: 'ignore',
  },
  settling: {
    answered: 'ignore',
    up: 'ignore',
    lost: 'ignore',
    late: 'ignore',
    gone: 'ignore',
    fell: 'fail',
    settled: 'finish',
  },
  reverting: {
    answered: 'ignore',
    up: 'promote',
    lost: 'give-up',
    late: 'give-up',
    gone: 'ignore',
    fell: 'refill',
    settled: 'ignore',
  },
  restoring: {
    answered: 'ignore',
    up: 'ignore',
    lost: 'ignore',
    late: 'ignore',
    gone: 'next',
    fell: 'refill',
    settled: 'ignore',
  },
};

/** What the event means in this stage. */
export function decideRollout(stage: RolloutStage, event: RolloutEvent): RolloutAction {
  return table[stage][event];
}

/** Whether the old generation is being put back. */
export function isReturning(stage: RolloutStage): boolean {
  return stage === 'reverting' || stage === 'restoring';
}

/** How a reload ended. */
export type ReloadResult = 'reloaded' | 'rolled-back' | 'partly' | 'timed-out';
