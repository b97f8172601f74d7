// `--request-timeout`: a worker that is at work on one connection for longer is told of at half of the time, and ended at
// the end of it, where only one of several processes is stuck that one alone (docs/stuck-requests.md).
import type { EventLog } from '../../core/machine.ts';
import {
  afterSignalMs,
  firstSight,
  look as lookAt,
  type RequestSight,
  type RequestState,
} from '../../core/request-stage.ts';
import type { PoolStatus, WorkerStatus } from '../../control/protocol.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { areDumping, areStopped, processesOn } from '../../sys/session/request-processes.ts';
import { WorkerRequests, type HeldConnection, type HeldLook } from '../../sys/session/worker-requests.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { Guard, LeavingWorker, PoolLook } from './guard.ts';
import { StuckWorkers, type OtherRequests, type StuckSupervisor } from './stuck-workers.ts';

/** What it needs of the pool. */
export interface RequestTimeoutParts {
  readonly proc: ProcFs;
  readonly socket: ListenSocket;
  readonly supervisor: StuckSupervisor;
  readonly log: Pick<EventLog, 'write'>;
}

export interface RequestTimeoutOptions extends RequestTimeoutParts {
  readonly timeoutMs: number;
  /** `--stuck-signal`. */
  readonly signal: `SIG${string}` | undefined;
}

/** An age is known to a sixteenth of the timeout, and to so much. */
const restMs = { longest: 10_000, part: 1 / 16 } as const;
/** A timer may be early by less. */
const timerSlackMs = 2;

interface Watched {
  readonly inode: string;
  readonly state: RequestState;
  readonly isRequest: boolean;
}

/** What is seen of one worker. */
interface WorkerLook {
  readonly worker: LeavingWorker;
  /** Its processes. */
  readonly family: readonly number[];
  readonly held: HeldLook;
  readonly look: PoolLook;
}

export class RequestTimeout implements Guard {
  readonly #options: RequestTimeoutOptions;
  readonly #requests: WorkerRequests;
  readonly #stuck: StuckWorkers;
  /** By the worker's PID. */
  readonly #watched = new Map<number, readonly Watched[]>();
  readonly #isHidden = new Set<number>();
  #nowMs = 0;

  constructor(options: RequestTimeoutOptions) {
    this.#options = options;
    this.#requests = new WorkerRequests(options.proc, options.socket);
    this.#stuck = new StuckWorkers(options);
  }

  look(look: PoolLook): void {
    const { nowMs, turn, leaving, workers } = look;
    this.#nowMs = nowMs;
    const alive = [...workers, ...leaving];
    this.#forgetGone(new Set(alive.map(({ pid }) => pid)));
    const due = [...workers, ...leaving].filter(({ pid }) => this.#nextMs(pid) <= nowMs);
    for (const worker of new Set([...turn, ...leaving, ...due])) this.#lookAt(worker, look);
    this.#requests.keepOnly(new Set([...this.#watched.values()].flat().map(({ inode }) => inode)));
    this.#stuck.look(look);
    this.#lookAgain(look);
  }

  /** Who has the stuck signal has a second, whatever looks cost; the same for what is awaited of those that were killed. */
  #lookAgain(look: PoolLook): void {
    const all = [...this.#watched.values()].flat().map(({ state }) => state);
    const signalled = all.filter(({ stage }) => stage === 'signalled');
    for (const { stageAtMs } of signalled) look.soon(stageAtMs + afterSignalMs - look.nowMs + timerSlackMs);
    if (this.#stuck.isAtWork) look.soon(afterSignalMs);
  }

  restMs({ nowMs, workers, turn }: PoolLook): number {
    const turns = Math.ceil(workers.length / Math.max(1, turn.length));
    const usual = Math.min(this.#options.timeoutMs * restMs.part, restMs.longest) / turns;
    const next = [...this.#watched.keys()].map((pid) => this.#nextMs(pid) - nowMs);
    return Math.min(usual, ...next) + timerSlackMs;
  }

  stopping(): void {
    this.#watched.clear();
    this.#requests.close();
  }

  describe(): Partial<PoolStatus> {
    return this.#stuck.describe();
  }

  describeWorker(_slot: number, pid: number | undefined): Partial<WorkerStatus> {
    const requests = (this.#watched.get(pid ?? 0) ?? []).filter(({ isRequest }) => isRequest);
    if (requests.length === 0) return { requestAgeMs: null };
    return {
      requestAgeMs: Math.round(this.#nowMs - Math.min(...requests.map(({ state }) => state.sinceMs))),
    };
  }

  #lookAt(worker: LeavingWorker, look: PoolLook): void {
    // Not the whole session, which would take a walk through all processes: who has no parent in it serves nobody.
    const family = this.#options.proc.family(worker.pid);
    const held = this.#requests.held(family);
    if (!held.isComplete) this.#tellHidden(worker);
    const before = new Map(this.#watched.get(worker.pid)?.map((one) => [one.inode, one]));
    const watched = held.connections.map((connection) =>
      this.#follow({ worker, family, held, look }, connection, before.get(connection.inode)),
    );
    const there = new Set(watched.map(({ inode }) => inode));
    const isOver = [...before.values()].some(
      ({ inode, state }) => state.stage === 'signalled' && !there.has(inode),
    );
    if (isOver) this.#stuck.recovered(worker);
    if (watched.length === 0) this.#watched.delete(worker.pid);
    else this.#watched.set(worker.pid, watched);
  }

  #follow(
    { worker, family, held, look }: WorkerLook,
    connection: HeldConnection,
    before: Watched | undefined,
  ): Watched {
    const { inode } = connection;
    const { nowMs } = look;
    const isAtWork = this.#requests.isRequest(connection, held);
    if (!before) return { inode, state: firstSight(nowMs), isRequest: isAtWork };
    const { timeoutMs, signal } = this.#options;
    const isOld = isAtWork && nowMs - before.state.sinceMs >= timeoutMs / 2;
    const holders = new Set(connection.holders.map(({ pid }) => pid));
    const processes = isOld ? processesOn(this.#options.proc, worker.pid, family, holders) : undefined;
    const isRequest = isAtWork && (!isOld || processes !== undefined);
    const sight: RequestSight = {
      work: isRequest ? 'request' : 'client',
      isTouched: connection.isTouched,
      quietMs: connection.holders[0]?.connection.ageMs,
      isStopped: processes !== undefined && areStopped(processes),
      isDumping: processes !== undefined && areDumping(this.#options.proc, processes),
    };
    const limits = { timeoutMs, hasSignal: signal !== undefined };
    const { state, step } = lookAt(before.state, sight, nowMs, limits);
    if (step !== 'none') {
      const ageMs = Math.round(nowMs - (step === 'recovered' ? before : { state }).state.sinceMs);
      const others = (pids?: ReadonlySet<number>): OtherRequests =>
        this.#othersOf(worker.pid, held, inode, pids);
      this.#stuck.act(step, { worker, ageMs, processes, others, look });
    }
    return { inode, state, isRequest };
  }

  #othersOf(
    worker: number,
    { connections }: HeldLook,
    inode: string,
    pids: ReadonlySet<number> | undefined,
  ): OtherRequests {
    const others = connections.filter(
      (one) => one.inode !== inode && (!pids || one.holders.some(({ pid }) => pids.has(pid))),
    );
    const names = new Set(others.map((one) => one.inode));
    const known = (this.#watched.get(worker) ?? []).filter((one) => names.has(one.inode));
    const oldestMs = Math.min(this.#nowMs, ...known.map(({ state }) => state.sinceMs));
    return { connections: others.length, ageMs: Math.round(this.#nowMs - oldestMs) };
  }

  /** When something is due for the worker. */
  #nextMs(pid: number): number {
    const all = this.#watched.get(pid) ?? [];
    return Math.min(...all.map(({ state }) => nextMs(state, this.#options.timeoutMs)));
  }

  #tellHidden({ slot, pid }: LeavingWorker): void {
    if (this.#isHidden.has(slot)) return;
    this.#isHidden.add(slot);
    const message = `worker ${slot} (PID ${pid}): its connections cannot be seen, --request-timeout does nothing for it`;
    this.#options.log.write({ event: 'warning', message });
  }

  #forgetGone(alive: ReadonlySet<number>): void {
    for (const pid of this.#watched.keys()) if (!alive.has(pid)) this.#watched.delete(pid);
  }
}

function nextMs({ stage, sinceMs, stageAtMs }: RequestState, timeoutMs: number): number {
  switch (stage) {
    case 'young':
      return sinceMs + timeoutMs / 2;
    case 'slow':
      return sinceMs + timeoutMs;
    case 'signalled':
      return stageAtMs + afterSignalMs;
    case 'spared':
    case 'killed':
      return Number.POSITIVE_INFINITY;
  }
}
