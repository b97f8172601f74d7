// The workers that are being ended: how far each of them is, and when it needs the next look.

/** When patience ends, on the monotonic clock; `killAtMs` is infinite where somebody else kills. */
export interface Deadline {
  readonly termAtMs: number;
  readonly killAtMs: number;
  /** Others serve on: nothing may be accepted any more that would be lost. Else the whole pool ends. */
  readonly isReplaced: boolean;
  /**
   * Its request may take what it takes, the other two are infinite. This one holds where nobody can see whether it is at
   * work; and a signal on which it should end by itself has that long to do it, before it is killed at an idle moment.
   */
  readonly unhurried?: { readonly termAtMs: number; readonly killAtMs: number };
}

export interface Ending {
  /**
   * `busy` not seen idle yet; `told` it finishes by itself; `termed` the same, but it may be killed when it
   * waits for connections again, and later at any idle moment; `killed`; `stuck` not even KILL ends it, or it
   * may not be sent.
   */
  stage: 'busy' | 'told' | 'termed' | 'killed' | 'stuck';
  deadline: Deadline;
  readonly sinceMs: number;
  /** From then on TERM is as good as it gets: the program is known to finish its request on it. */
  tellAtMs: number;
  /** Next look whether it is idle. */
  lookAtMs: number;
  /** `termed`: from then on it is killed at any idle moment. */
  killIdleAtMs: number;
  isWarned: boolean;
}

/** Who waits for connections again this long after its TERM does not mean to end. */
const backInAcceptMs = 200;
/** A worker that is being replaced, and still there this long after its TERM, is killed when idle. */
const patienceAfterTermMs = 1000;
/** Nobody waits for who is not hurried: after a while it is looked at no oftener than guards look. */
const longestRestMs = 1000;
const restPerWait = 1 / 20;
const mostRequestsMs = 2000;
/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;

export class Endings {
  readonly #byLeader = new Map<number, Ending>();

  get(leader: number): Ending | undefined {
    return this.#byLeader.get(leader);
  }

  has(leader: number): boolean {
    return this.#byLeader.has(leader);
  }

  all(): readonly Ending[] {
    return [...this.#byLeader.values()];
  }

  where(matches: (ending: Ending) => boolean): number[] {
    return [...this.#byLeader].filter(([, ending]) => matches(ending)).map(([leader]) => leader);
  }

  add(leader: number, deadline: Deadline, sinceMs: number, tellAtMs: number): void {
    const rest = { sinceMs, lookAtMs: 0, killIdleAtMs: 0, isWarned: false };
    this.#byLeader.set(leader, { stage: 'busy', deadline, tellAtMs, ...rest });
  }

  delete(leader: number): boolean {
    return this.#byLeader.delete(leader);
  }

  /** Nobody hurries it, and a while has shown that its request takes longer than most. */
  isPatient(leader: number, nowMs: number): boolean {
    const ending = this.#byLeader.get(leader);
    return ending?.deadline.unhurried !== undefined && nowMs - ending.sinceMs > mostRequestsMs;
  }

  /** The next look, no sooner than after so long. */
  noteLooked(leader: number, nowMs: number, pauseMs: number): void {
    const ending = this.#byLeader.get(leader);
    if (!ending) return;
    const waitedMs = ending.deadline.unhurried ? nowMs - ending.sinceMs : 0;
    ending.lookAtMs = nowMs + Math.max(pauseMs, Math.min(waitedMs * restPerWait, longestRestMs));
  }

  setStage(leader: number, stage: Ending['stage']): void {
    const ending = this.#byLeader.get(leader);
    if (ending) ending.stage = stage;
  }

  /** It has its TERM. */
  noteTermed(leader: number, nowMs: number): void {
    const ending = this.#byLeader.get(leader);
    if (!ending) return;
    ending.stage = 'termed';
    ending.lookAtMs = nowMs + backInAcceptMs;
    // In the end of the whole pool nobody waits for the place, and its cleaning up may take until the deadline.
    ending.killIdleAtMs = ending.deadline.isReplaced ? nowMs + patienceAfterTermMs : Number.POSITIVE_INFINITY;
  }

  /** It got no last TERM, since it would just have died of it: the deadline is its KILL, now or when it comes. */
  noteSpared(leader: number): void {
    const ending = this.#byLeader.get(leader);
    if (!ending) return;
    const { termAtMs, killAtMs } = ending.deadline;
    const isItsOwn = Number.isFinite(killAtMs);
    ending.deadline = {
      ...ending.deadline,
      termAtMs: Number.POSITIVE_INFINITY,
      killAtMs: isItsOwn ? termAtMs : killAtMs,
    };
  }

  noteKilled(leader: number, nowMs: number): void {
    const ending = this.#byLeader.get(leader);
    if (!ending) return;
    ending.stage = 'killed';
    ending.lookAtMs = nowMs + afterKillMs;
  }

  /** When one of them next needs a look. */
  get dueMs(): number {
    return Math.min(...this.all().map(dueOf));
  }
}

const never = Number.POSITIVE_INFINITY;

function dueOf({ stage, deadline, tellAtMs, lookAtMs }: Ending): number {
  switch (stage) {
    case 'busy':
      return Math.min(lookAtMs, tellAtMs, deadline.termAtMs, deadline.killAtMs);
    case 'termed':
      return Math.min(lookAtMs, deadline.killAtMs);
    case 'told':
      return Math.min(deadline.killAtMs, Math.max(lookAtMs, deadline.unhurried?.termAtMs ?? never));
    case 'killed':
      return lookAtMs;
    case 'stuck':
      return Number.POSITIVE_INFINITY;
  }
}

export function isKillable({ stage }: Ending): boolean {
  return stage !== 'killed' && stage !== 'stuck';
}

/** With the whole pool, and not told of it yet. */
export function isStopping({ stage, deadline }: Ending): boolean {
  return stage === 'busy' && !deadline.isReplaced;
}

/** The signal has not ended it in time, and it may be killed as soon as it is at no request. */
export function isToldInVain({ stage, deadline, lookAtMs }: Ending, nowMs: number): boolean {
  return stage === 'told' && lookAtMs <= nowMs && (deadline.unhurried?.termAtMs ?? never) <= nowMs;
}
