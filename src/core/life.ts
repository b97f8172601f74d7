// The life of a pool as a table: state by event. Every pair is written down; a missing one does not compile. Whatever
// depends on how far the pool is asks here, or subscribes.

/** How far it is, for people and clients; `stopped` no worker is left. */
export type PoolPhase = 'starting' | 'serving' | 'stopping' | 'stopped';

/** Why the pool ends: whatever came first. */
export type EndReason = 'asked' | 'drained' | 'start-failed' | 'start-limit';

interface Ending {
  readonly reason: EndReason;
  /** Somebody has asked for it: asked again, it kills. */
  readonly isAsked: boolean;
  /** Workers are gone before what they leave behind is. */
  readonly hasWorkers: boolean;
}

/**
 * `starting` until the first worker of every slot is up or dead; `serving`; `stopping` workers are ended as their requests
 * are, `draining` the same while another supervisor's serve on; `killing` patience is over; `ended` nobody is left.
 */
export type LifeState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'serving' }
  | ({ readonly kind: 'stopping' } & Ending)
  | ({ readonly kind: 'draining' } & Ending)
  | ({ readonly kind: 'killing'; readonly cause: string } & Ending)
  | ({ readonly kind: 'ended' } & Ending);

/**
 * `up` and `failed` decide the start; `stop` and `drain` ask for the end; `limited` is --start-limit; `overdue` the stop
 * has taken too long; `emptied` no worker is left; `cleared` nothing else of them either.
 */
export type LifeEvent = 'up' | 'failed' | 'stop' | 'drain' | 'limited' | 'overdue' | 'emptied' | 'cleared';

type StateOf<K extends LifeState['kind']> = Extract<LifeState, { kind: K }>;
type Table = {
  readonly [S in LifeState['kind']]: {
    readonly [E in LifeEvent]: (state: StateOf<S>) => LifeState;
  };
};
type Closing = StateOf<'stopping' | 'draining'>;

/** The event is late, or does not concern this state: the first reason wins. */
const stay = (state: LifeState): LifeState => state;

const serve = (): LifeState => ({ kind: 'serving' });
const fail = (): LifeState => ({
  kind: 'stopping',
  reason: 'start-failed',
  isAsked: false,
  hasWorkers: false,
});
const stop = (): LifeState => ({ kind: 'stopping', reason: 'asked', isAsked: true, hasWorkers: true });
const drain = (): LifeState => ({ kind: 'draining', reason: 'drained', isAsked: false, hasWorkers: true });
const limit = (): LifeState => ({
  kind: 'stopping',
  reason: 'start-limit',
  isAsked: false,
  hasWorkers: true,
});
const askAgain = (state: Closing): LifeState =>
  state.isAsked ? { ...state, kind: 'killing', cause: 'second signal' } : { ...state, isAsked: true };
const kill = (state: Closing): LifeState => ({ ...state, kind: 'killing', cause: '--stop-timeout' });
const empty = (state: Closing | StateOf<'killing'>): LifeState => ({ ...state, hasWorkers: false });
const end = ({ reason, isAsked }: Closing | StateOf<'killing'>): LifeState => ({
  kind: 'ended',
  reason,
  isAsked,
  hasWorkers: false,
});

/** Whether others serve on makes no difference to how far the end is. */
const closing: Table['stopping'] & Table['draining'] = {
  up: stay,
  failed: stay,
  stop: askAgain,
  drain: stay,
  limited: stay,
  overdue: kill,
  emptied: empty,
  cleared: end,
};

const table: Table = {
  starting: {
    up: serve,
    failed: fail,
    stop,
    drain,
    limited: stay,
    overdue: stay,
    emptied: stay,
    cleared: stay,
  },
  serving: {
    up: stay,
    failed: stay,
    stop,
    drain,
    limited: limit,
    overdue: stay,
    emptied: stay,
    cleared: stay,
  },
  stopping: closing,
  draining: closing,
  killing: {
    up: stay,
    failed: stay,
    stop: stay,
    drain: stay,
    limited: stay,
    overdue: stay,
    emptied: empty,
    cleared: end,
  },
  ended: {
    up: stay,
    failed: stay,
    stop: stay,
    drain: stay,
    limited: stay,
    overdue: stay,
    emptied: stay,
    cleared: stay,
  },
};

export class Life {
  #state: LifeState = { kind: 'starting' };
  readonly #subscribers: ((now: LifeState, before: LifeState) => void)[] = [];

  get state(): LifeState {
    return this.#state;
  }

  get phase(): PoolPhase {
    const state = this.#state;
    if (state.kind === 'starting' || state.kind === 'serving') return state.kind;
    return state.hasWorkers ? 'stopping' : 'stopped';
  }

  /** Undefined: the pool does not end. */
  get ending(): Exclude<LifeState, StateOf<'starting' | 'serving'>> | undefined {
    return this.#state.kind === 'starting' || this.#state.kind === 'serving' ? undefined : this.#state;
  }

  /** Hears of each change of the kind of state. */
  subscribe(subscriber: (now: LifeState, before: LifeState) => void): void {
    this.#subscribers.push(subscriber);
  }

  change(event: LifeEvent): void {
    const before = this.#state;
    // The table's type guarantees the pair; TypeScript cannot correlate two unions.
    const cell = table[before.kind][event] as (state: LifeState) => LifeState;
    this.#state = cell(before);
    if (this.#state.kind === before.kind) return;
    for (const subscriber of this.#subscribers) subscriber(this.#state, before);
  }
}
