// The life of a pool as a table: state by event. Every pair is written down; a missing one does not compile. Whatever
// depends on how far the pool is asks here, or subscribes.

/** How far its workers are; `stopped` none is left. */
export type PoolPhase = 'starting' | 'serving' | 'stopping' | 'stopped';

/** How far others are told that it is: a start counts until whoever waits for it knows. */
export type ToldPhase = Exclude<PoolPhase, 'stopped'>;

/** Why the pool ends: whatever came first. */
export type EndReason = 'asked' | 'drained' | 'start-failed' | 'start-limit';

/** What is told to whoever waits for a start that is undone. */
export interface Abandonment {
  readonly reason: string;
  readonly status: number;
  readonly hints: readonly string[];
}

interface Ending {
  readonly reason: EndReason;
  /** Its start had succeeded; else that is undone. */
  readonly wasUp: boolean;
  /** What was said first against the start; undefined: nobody said anything. */
  readonly abandonment: Abandonment | undefined;
  /** Somebody has asked for it: asked again, it kills. */
  readonly isAsked: boolean;
  /** Workers are gone before what they leave behind is. */
  readonly hasWorkers: boolean;
}

/**
 * `starting` until the first worker of every slot is up or dead; `answering` they are up, and an answer is waited for, of
 * the program (--ready probe) or of the supervisor that has the files still; `announcing` the PID file is written, and
 * whoever waits for the start is told; `serving`; `stopping` workers are ended as their requests are, `draining` the same
 * while another supervisor's serve on; `killing` patience is over; `ended` nobody is left.
 */
export type LifeState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'answering' }
  | { readonly kind: 'announcing' }
  | { readonly kind: 'serving' }
  | ({ readonly kind: 'stopping' } & Ending)
  | ({ readonly kind: 'draining' } & Ending)
  | ({ readonly kind: 'killing'; readonly cause: string } & Ending)
  | ({ readonly kind: 'ended' } & Ending);

/**
 * `up` and `failed` say of the first workers what they are; `answered` and `announced` go on with the start; `stop` and `drain` ask for the end; `limited` is --start-limit; `overdue` the stop
 * has taken too long; `emptied` no worker is left; `cleared` nothing else of them either.
 */
export type LifeEvent =
  | 'up'
  | 'failed'
  | 'answered'
  | 'announced'
  | 'stop'
  | 'drain'
  | 'limited'
  | 'overdue'
  | 'emptied'
  | 'cleared';

type StateOf<K extends LifeState['kind']> = Extract<LifeState, { kind: K }>;
type Table = {
  readonly [S in LifeState['kind']]: {
    readonly [E in LifeEvent]: (state: StateOf<S>, why?: Abandonment) => LifeState;
  };
};
type Closing = StateOf<'stopping' | 'draining'>;

/** The event is late, or does not concern this state: the first reason wins. */
const stay = (state: LifeState): LifeState => state;

const answer = (): LifeState => ({ kind: 'answering' });
const announce = (): LifeState => ({ kind: 'announcing' });
const serve = (): LifeState => ({ kind: 'serving' });

const isUp = ({ kind }: LifeState): boolean => kind === 'serving';
const begin = (state: LifeState, reason: EndReason, why?: Abandonment): Ending => ({
  reason,
  wasUp: isUp(state),
  abandonment: isUp(state) ? undefined : why,
  isAsked: reason === 'asked',
  hasWorkers: reason !== 'start-failed',
});
const fail = (state: LifeState): LifeState => ({ kind: 'stopping', ...begin(state, 'start-failed') });
const stop = (state: LifeState, why?: Abandonment): LifeState => ({
  kind: 'stopping',
  ...begin(state, 'asked', why),
});
const drain = (state: LifeState): LifeState => ({ kind: 'draining', ...begin(state, 'drained') });
const limit = (state: LifeState): LifeState => ({ kind: 'stopping', ...begin(state, 'start-limit') });

/** What is said against a start that is being undone already, where nothing was said before. */
const hear = <S extends Closing | StateOf<'killing'>>(state: S, why?: Abandonment): S =>
  state.wasUp || state.abandonment ? state : { ...state, abandonment: why };
const askAgain = (state: Closing, why?: Abandonment): LifeState =>
  state.isAsked
    ? { ...hear(state, why), kind: 'killing', cause: 'second signal' }
    : { ...hear(state, why), isAsked: true };
const kill = (state: Closing): LifeState => ({ ...state, kind: 'killing', cause: '--stop-timeout' });
const empty = (state: Closing | StateOf<'killing'>): LifeState => ({ ...state, hasWorkers: false });
/** Nothing is killed any more: the cause goes. */
const end = ({ reason, wasUp, abandonment, isAsked }: Closing | StateOf<'killing'>): LifeState => {
  return { kind: 'ended', reason, wasUp, abandonment, isAsked, hasWorkers: false };
};

/** Whether others serve on makes no difference to how far the end is. */
const closing: Table['stopping'] & Table['draining'] = {
  up: stay,
  failed: stay,
  answered: stay,
  announced: stay,
  stop: askAgain,
  drain: stay,
  limited: stay,
  overdue: kill,
  emptied: empty,
  cleared: end,
};

/** Workers are up, whatever a start still has to do. */
const running: Table['serving'] & Table['answering'] & Table['announcing'] = {
  up: stay,
  failed: stay,
  answered: stay,
  announced: stay,
  stop,
  drain,
  limited: limit,
  overdue: stay,
  emptied: stay,
  cleared: stay,
};

const table: Table = {
  starting: {
    up: answer,
    failed: fail,
    answered: stay,
    announced: stay,
    stop,
    drain,
    limited: stay,
    overdue: stay,
    emptied: stay,
    cleared: stay,
  },
  answering: { ...running, answered: announce },
  announcing: { ...running, announced: serve },
  serving: running,
  stopping: closing,
  draining: closing,
  killing: {
    up: stay,
    failed: stay,
    answered: stay,
    announced: stay,
    stop: hear,
    drain: stay,
    limited: stay,
    overdue: stay,
    emptied: empty,
    cleared: end,
  },
  ended: {
    up: stay,
    failed: stay,
    answered: stay,
    announced: stay,
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
    const { ending } = this;
    if (ending) return ending.hasWorkers ? 'stopping' : 'stopped';
    return this.#state.kind === 'starting' ? 'starting' : 'serving';
  }

  get toldPhase(): ToldPhase {
    if (this.ending) return 'stopping';
    return isUp(this.#state) ? 'serving' : 'starting';
  }

  /** Whether the start has succeeded, whatever has come then. */
  get wasUp(): boolean {
    return this.ending?.wasUp ?? isUp(this.#state);
  }

  /** Why the start is being undone, as far as somebody has said so. */
  get abandonment(): Abandonment | undefined {
    return this.ending?.abandonment;
  }

  /** Undefined: the pool does not end. */
  get ending(): Extract<LifeState, Ending> | undefined {
    return 'reason' in this.#state ? this.#state : undefined;
  }

  /** Hears of each change of the kind of state. */
  subscribe(subscriber: (now: LifeState, before: LifeState) => void): void {
    this.#subscribers.push(subscriber);
  }

  /** `why`: with a stop that undoes the start. */
  change(event: LifeEvent, why?: Abandonment): void {
    const before = this.#state;
    // The table's type guarantees the pair; TypeScript cannot correlate two unions.
    const cell = table[before.kind][event] as (state: LifeState, why?: Abandonment) => LifeState;
    this.#state = cell(before, why);
    if (this.#state.kind === before.kind) return;
    for (const subscriber of this.#subscribers) subscriber(this.#state, before);
  }
}
