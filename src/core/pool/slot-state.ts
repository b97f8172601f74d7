// The life of one slot as a table: state by event. Every pair is written down;
// a missing one does not compile. Pure: it decides, the supervisor acts.
import type { RestartPolicy } from '../config.ts';
import {
  classifyEnd,
  decideRestart,
  freshMemory,
  type EndClass,
  type RestartMemory,
} from './restart-policy.ts';
import type { WorkerEnd, WorkerExit } from '../worker-exit.ts';

/** A slot's state with that state's data only; times are monotonic milliseconds. */
export type SlotState =
  | { readonly kind: 'starting'; readonly pid: number; readonly startedAtMs: number }
  | {
      readonly kind: 'running';
      readonly pid: number;
      readonly startedAtMs: number;
      readonly upAtMs: number;
      /** False: it is up by its age alone. */
      readonly isSeen: boolean;
    }
  | { readonly kind: 'stopping'; readonly pid: number }
  | { readonly kind: 'backoff'; readonly retryAtMs: number }
  | { readonly kind: 'exited' };

/** When something happened; `random` in [0, 1) feeds the jitter of a delayed restart. */
export interface Moment {
  readonly atMs: number;
  readonly random: number;
}

/** Facts that reach a slot. */
export type SlotEvent =
  | { readonly kind: 'spawned'; readonly pid: number; readonly atMs: number }
  | ({ readonly kind: 'spawn-failed' } & Moment)
  | { readonly kind: 'up'; readonly atMs: number; readonly isSeen: boolean }
  | ({ readonly kind: 'ended'; readonly exit: WorkerExit; readonly isStuck?: boolean | undefined } & Moment)
  | { readonly kind: 'retry-due' }
  | { readonly kind: 'stop' };

/** What the slot wants done. */
export type SlotOrder =
  | { readonly kind: 'spawn' }
  | { readonly kind: 'retry-after'; readonly delayMs: number }
  | { readonly kind: 'terminate'; readonly pid: number };

export interface Slot {
  readonly state: SlotState;
  readonly memory: RestartMemory;
}

export interface Step {
  readonly slot: Slot;
  readonly orders: readonly SlotOrder[];
  /** Set when a worker ended unasked, or could not be started. */
  readonly end?: {
    readonly class: EndClass;
    readonly delayMs: number;
    readonly wasUp: boolean;
    readonly wasSeen: boolean;
  };
}

/** The unasked end of a slot's worker, or a start that failed: `pid` is 0. */
export interface Loss extends NonNullable<Step['end']> {
  readonly slot: number;
  readonly pid: number;
  readonly end: WorkerEnd;
  readonly atMs: number;
  readonly isRecycling: boolean;
}

export const emptySlot: Slot = { state: { kind: 'exited' }, memory: freshMemory };

type StateOf<K extends SlotState['kind']> = Extract<SlotState, { kind: K }>;
type EventOf<K extends SlotEvent['kind']> = Extract<SlotEvent, { kind: K }>;
type Table = {
  readonly [S in SlotState['kind']]: {
    readonly [E in SlotEvent['kind']]: (
      state: StateOf<S>,
      event: EventOf<E>,
      memory: RestartMemory,
      policy: RestartPolicy,
    ) => Step;
  };
};

/** The event is late or does not concern this state: a timer that was overtaken, a second stop. */
const stay = (state: SlotState, _event: SlotEvent, memory: RestartMemory): Step => ({
  slot: { state, memory },
  orders: [],
});

const begin = (_state: SlotState, event: EventOf<'spawned'>, memory: RestartMemory): Step => ({
  slot: { state: { kind: 'starting', pid: event.pid, startedAtMs: event.atMs }, memory },
  orders: [],
});

/** A worker that appears where none is wanted any more is ended, never forgotten. */
const endUnwanted = (_state: SlotState, event: EventOf<'spawned'>, memory: RestartMemory): Step => ({
  slot: { state: { kind: 'stopping', pid: event.pid }, memory },
  orders: [{ kind: 'terminate', pid: event.pid }],
});

const retry = (_state: SlotState, _event: SlotEvent, memory: RestartMemory): Step => ({
  slot: { state: { kind: 'exited' }, memory },
  orders: [{ kind: 'spawn' }],
});

const rest = (_state: SlotState, _event: SlotEvent, memory: RestartMemory): Step => ({
  slot: { state: { kind: 'exited' }, memory },
  orders: [],
});

const terminate = (
  state: StateOf<'starting' | 'running'>,
  _event: SlotEvent,
  memory: RestartMemory,
): Step => ({
  slot: { state: { kind: 'stopping', pid: state.pid }, memory },
  orders: [{ kind: 'terminate', pid: state.pid }],
});

const become = (state: StateOf<'starting'>, event: EventOf<'up'>, memory: RestartMemory): Step => ({
  slot: { state: { ...state, kind: 'running', upAtMs: event.atMs, isSeen: event.isSeen }, memory },
  orders: [],
});

/** A worker that was up by its age is seen to serve. */
const see = (state: StateOf<'running'>, event: EventOf<'up'>, memory: RestartMemory): Step => ({
  slot: { state: { ...state, isSeen: state.isSeen || event.isSeen }, memory },
  orders: [],
});

const failSpawn = (
  _state: SlotState,
  event: EventOf<'spawn-failed'>,
  memory: RestartMemory,
  policy: RestartPolicy,
): Step => {
  const noLife = { startedAtMs: event.atMs, upAtMs: undefined, isSeen: false };
  const decision = decideRestart('failed-start', noLife, event.atMs, memory, policy, event.random);
  return backOff(
    { class: 'failed-start', delayMs: decision.delayMs, wasUp: false, wasSeen: false },
    event.atMs,
    decision.memory,
  );
};

const restart = (
  state: StateOf<'starting' | 'running'>,
  event: EventOf<'ended'>,
  memory: RestartMemory,
  policy: RestartPolicy,
): Step => {
  // A worker that nobody saw up was not: its end may be noticed late on a busy machine.
  const life = {
    startedAtMs: state.startedAtMs,
    upAtMs: state.kind === 'running' ? state.upAtMs : undefined,
    isSeen: state.kind === 'running' && state.isSeen,
  };
  const end = event.isStuck === true ? 'stuck' : classifyEnd(event.exit, life, event.atMs, policy, memory);
  const decision = decideRestart(end, life, event.atMs, memory, policy, event.random);
  return backOff(
    { class: end, delayMs: decision.delayMs, wasUp: life.upAtMs !== undefined, wasSeen: life.isSeen },
    event.atMs,
    decision.memory,
  );
};

function backOff(end: NonNullable<Step['end']>, atMs: number, memory: RestartMemory): Step {
  if (end.delayMs === 0)
    return { slot: { state: { kind: 'exited' }, memory }, orders: [{ kind: 'spawn' }], end };
  return {
    slot: { state: { kind: 'backoff', retryAtMs: atMs + end.delayMs }, memory },
    orders: [{ kind: 'retry-after', delayMs: end.delayMs }],
    end,
  };
}

const table: Table = {
  exited: {
    spawned: begin,
    'spawn-failed': failSpawn,
    up: stay,
    ended: stay,
    'retry-due': stay,
    stop: stay,
  },
  starting: {
    spawned: stay,
    'spawn-failed': stay,
    up: become,
    ended: restart,
    'retry-due': stay,
    stop: terminate,
  },
  running: {
    spawned: stay,
    'spawn-failed': stay,
    up: see,
    ended: restart,
    'retry-due': stay,
    stop: terminate,
  },
  stopping: {
    spawned: stay,
    'spawn-failed': stay,
    up: stay,
    ended: rest,
    'retry-due': stay,
    stop: stay,
  },
  backoff: {
    spawned: endUnwanted,
    'spawn-failed': stay,
    up: stay,
    ended: stay,
    'retry-due': retry,
    stop: rest,
  },
};

/** The slot after the event, and the orders that follow from it. */
export function advance(slot: Slot, event: SlotEvent, policy: RestartPolicy): Step {
  // The table's type guarantees the pair; TypeScript cannot correlate two unions.
  const cell = table[slot.state.kind][event.kind] as (
    state: SlotState,
    event: SlotEvent,
    memory: RestartMemory,
    policy: RestartPolicy,
  ) => Step;
  return cell(slot.state, event, slot.memory, policy);
}

/** The slot's live worker, if it has one. */
export function livePid(slot: Slot): number | undefined {
  return 'pid' in slot.state ? slot.state.pid : undefined;
}
