// One look of the guards at a pool: its workers by the supervisor's books, and what the machine tells of them when a guard
// asks, once for all guards.
import type { Request } from '../../core/machine.ts';
import { acceptQueue } from '../../sys/socket-state/accept-queue.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { Activity, SessionFreezer } from '../../sys/session/session-freeze.ts';
import type { SessionBook } from '../../sys/session/session-book.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { LeavingWorker, LookedWorker, PoolLook } from './guard.ts';
import type { Turns } from './turns.ts';

export interface LookedPool {
  readonly supervisor: Pick<Supervisor, 'pool' | 'roster'>;
  readonly freezer: Pick<SessionFreezer, 'activity' | 'connections'>;
  /** Kept between looks; undefined without /proc. */
  readonly sessions: Pick<SessionBook, 'renew' | 'membersOf'> | undefined;
  readonly socket: ListenSocket;
}

/** What guards do about it. */
export type GuardActs = Pick<PoolLook, 'soon' | 'replace'>;

export class LiveLook implements PoolLook {
  readonly soon: PoolLook['soon'];
  readonly replace: PoolLook['replace'];
  readonly nowMs: number;
  readonly workers: readonly LookedWorker[];
  readonly turn: readonly LookedWorker[];
  readonly leaving: readonly LeavingWorker[];
  readonly wanted: number;
  readonly #pool: LookedPool;
  readonly #activities = new Map<number, Activity>();
  #isRenewed = false;
  #queue: { readonly length: number | undefined } | undefined;

  constructor(pool: LookedPool, nowMs: number, turns: Turns, { soon, replace }: GuardActs) {
    const { roster, pool: slots } = pool.supervisor;
    this.#pool = pool;
    this.soon = soon;
    this.replace = replace;
    this.nowMs = nowMs;
    this.wanted = slots.wanted;
    this.workers = slots.slots.flatMap(({ state }, slot) => {
      if (state.kind !== 'running') return [];
      const { pid, startedAtMs, upAtMs } = state;
      return [
        { slot, pid, startedAtMs, upAtMs, generation: roster.get(pid)?.generation ?? slots.generation },
      ];
    });
    this.turn = turns.next(this.workers);
    this.leaving = roster
      .in('retiree')
      .map(({ slot, pid, startedAtMs, generation }) => ({ slot, pid, startedAtMs, generation }));
  }

  membersOf(pid: number): readonly number[] {
    return this.#sessions()?.membersOf(pid) ?? [pid];
  }

  activityOf(pid: number): Activity {
    const known = this.#activities.get(pid);
    if (known !== undefined) return known;
    const activity = this.#pool.freezer.activity(pid, this.#sessions());
    this.#activities.set(pid, activity);
    return activity;
  }

  requestsOf(pid: number): readonly Request[] {
    const connections = this.#pool.freezer.connections(pid, this.#sessions());
    return connections.map(({ inode, ageMs }) => ({ connection: inode, ageMs }));
  }

  queued(): number | undefined {
    this.#queue ??= { length: acceptQueue(this.#pool.socket)?.length };
    return this.#queue.length;
  }

  /** Only if somebody asks. */
  #sessions(): Pick<SessionBook, 'membersOf'> | undefined {
    const { sessions } = this.#pool;
    if (!this.#isRenewed) sessions?.renew(this.nowMs);
    this.#isRenewed = true;
    return sessions;
  }
}
