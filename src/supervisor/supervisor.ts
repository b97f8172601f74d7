// The loop's heart: turns what happened (exit, timer, signal) into the pool's
// events, and the pool's orders into calls of the machine. No system call here.
import type { RestartPolicy } from '../core/config.ts';
import { exitStatus } from '../core/errors.ts';
import { Pool, type PoolOrder, type PoolPhase, type WorkerEnd } from '../core/pool.ts';
import type { SlotEvent } from '../core/slot-state.ts';
import type { WorkerExit } from '../core/worker-exit.ts';
import type { Clock, EventLog, Readiness, Sessions, Spawner, WorkerRecords } from './interfaces.ts';
import { SessionSweep } from './session-sweep.ts';
import { UpWatch, type StartingWorker } from './up-watch.ts';

export interface Machine {
  readonly clock: Clock;
  readonly spawner: Spawner;
  readonly sessions: Sessions;
  readonly readiness: Readiness;
  readonly log: EventLog;
  readonly records: WorkerRecords;
  readonly random: () => number;
  readonly describeErrno: (errno: number) => string;
  readonly signalName: (signal: number) => string | undefined;
}

export interface PoolSettings {
  readonly workers: number;
  readonly restart: RestartPolicy;
  readonly stopTimeoutMs: number;
  readonly programPath: string;
}

/** What the supervisor tells whoever runs it; each at most once. */
export interface Outcome {
  /** The pool begins to end, for whatever reason. */
  stopping(): void;
  /** The first start succeeded; `firstEnds` has the end of each slot whose first worker died all the same. */
  up(firstEnds: readonly (WorkerEnd | undefined)[]): void;
  startFailed(firstEnds: readonly WorkerEnd[]): void;
  /** Every process of the pool is gone. */
  stopped(status: number): void;
}

/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const leftoverPollMs = 10;

export class Supervisor {
  readonly #machine: Machine;
  readonly #settings: PoolSettings;
  readonly #outcome: Outcome;
  readonly #pool: Pool;
  readonly #upWatch: UpWatch;
  readonly #sweep: SessionSweep;
  readonly #slotByPid = new Map<number, number>();
  readonly #startedAtMs = new Map<number, number>();
  readonly #retries = new Map<number, () => void>();
  /** Sessions of workers that ended while the pool was stopping. */
  readonly #endedSessions: number[] = [];
  #status: number = exitStatus.ok;
  #isStartDecided = false;
  #isStopping = false;
  #isAskedToStop = false;
  #isKilling = false;
  #giveUpAtMs = Number.POSITIVE_INFINITY;
  #cancelDeadline: (() => void) | undefined;

  constructor(machine: Machine, settings: PoolSettings, outcome: Outcome) {
    this.#machine = machine;
    this.#settings = settings;
    this.#outcome = outcome;
    this.#pool = new Pool(settings.workers, settings.restart);
    this.#sweep = new SessionSweep(machine.clock, machine.sessions, machine.log, settings.stopTimeoutMs);
    this.#upWatch = new UpWatch(
      machine.clock,
      machine.readiness,
      () => this.#startingWorkers(),
      (slot, atMs) => this.#feed(slot, { kind: 'up', atMs }),
    );
  }

  get phase(): PoolPhase {
    return this.#pool.phase;
  }

  /** Starts every worker; the outcome is told later. */
  start(): void {
    this.#carryOut(this.#pool.start());
  }

  /** A child of ours ended; strangers are ignored. */
  childEnded(pid: number, exit: WorkerExit): void {
    const slot = this.#slotByPid.get(pid);
    if (slot === undefined) return;
    this.#slotByPid.delete(pid);
    this.#machine.records.ended(slot);
    const { clock } = this.#machine;
    // Replace first, clean up behind it afterwards: the respawn is what users wait for.
    this.#feed(slot, { kind: 'ended', exit, atMs: clock.nowMs(), random: this.#machine.random() }, 0, pid);
    this.#startedAtMs.delete(pid);
    if (this.#isStopping) this.#endedSessions.push(pid);
    else this.#sweep.add(pid);
  }

  /** Ends the pool; asked a second time, with KILL at once. */
  stop(reason: string): void {
    if (this.#isAskedToStop) {
      this.#kill('second signal');
      return;
    }
    this.#isAskedToStop = true;
    // The start limit, or a start that failed, ends the pool already: this was the first signal.
    if (this.#isStopping) return;
    this.#machine.log.write({ event: 'stopping', reason });
    this.#beginStop();
    this.#carryOut(this.#pool.stop());
  }

  #beginStop(): void {
    this.#isStopping = true;
    this.#outcome.stopping();
    const { clock } = this.#machine;
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
    this.#sweep.cancel();
    this.#endedSessions.push(...this.#sweep.pending);
    this.#machine.sessions.signalLeftovers(this.#endedSessions, 'SIGTERM');
    this.#cancelDeadline ??= clock.after(this.#settings.stopTimeoutMs, () => this.#kill('--stop-timeout'));
  }

  #kill(reason: string): void {
    if (this.#isKilling) return;
    this.#isKilling = true;
    this.#giveUpAtMs = this.#machine.clock.nowMs() + afterKillMs;
    const live = [...this.#slotByPid.keys()];
    this.#machine.sessions.signalWorkers(live, 'SIGKILL');
    const left = this.#machine.sessions.signalLeftovers(this.#endedSessions, 'SIGKILL');
    const pids = [...live, ...left.map((member) => member.pid)];
    if (pids.length > 0) this.#machine.log.write({ event: 'killed', reason, pids });
  }

  #feed(slot: number, event: SlotEvent, errno = 0, endedPid = 0): void {
    this.#carryOut(this.#pool.handle(slot, event, errno), endedPid);
  }

  #carryOut(orders: readonly PoolOrder[], endedPid = 0): void {
    const doomed = orders.filter((order) => order.kind === 'terminate').map((order) => order.pid);
    if (doomed.length > 0) this.#machine.sessions.signalWorkers(doomed, 'SIGTERM');
    // The respawn goes first: reports may have to wait for a slow log.
    const failures = orders.flatMap((order) => (order.kind === 'spawn' ? this.#spawn(order.slot) : []));
    for (const order of orders) this.#carryOutOne(order, endedPid);
    for (const { slot, event, errno } of failures) this.#feed(slot, event, errno);
  }

  #carryOutOne(order: PoolOrder, endedPid: number): void {
    switch (order.kind) {
      case 'spawn':
      case 'terminate':
        return;
      case 'retry-after':
        return this.#retryAfter(order.slot, order.delayMs);
      case 'report-end':
        return this.#reportEnd(order, endedPid);
      case 'report-up':
        this.#isStartDecided = true;
        return this.#outcome.up(order.firstEnds);
      case 'start-failed':
        return this.#failStart(order.firstEnds);
      case 'start-limit-reached':
        return this.#reachStartLimit();
      case 'stopped':
        return this.#awaitEmptySessions(() => this.#outcome.stopped(this.#status));
    }
  }

  /** Starts the slot's worker; a failure is returned, to be told after what led to it. */
  #spawn(slot: number): { slot: number; event: SlotEvent; errno: number }[] {
    const { clock, spawner, records, random } = this.#machine;
    const result = spawner.spawn();
    const atMs = clock.nowMs();
    if ('errno' in result) {
      return [{ slot, event: { kind: 'spawn-failed', atMs, random: random() }, errno: result.errno }];
    }
    this.#slotByPid.set(result.pid, slot);
    this.#startedAtMs.set(result.pid, atMs);
    this.#feed(slot, { kind: 'spawned', pid: result.pid, atMs });
    records.started(slot, result.pid);
    this.#upWatch.wake();
    return [];
  }

  #retryAfter(slot: number, delayMs: number): void {
    if (this.#isStopping) return;
    this.#retries.get(slot)?.();
    const cancel = this.#machine.clock.after(delayMs, () => {
      this.#retries.delete(slot);
      this.#feed(slot, { kind: 'retry-due' });
    });
    this.#retries.set(slot, cancel);
  }

  #reportEnd(order: Extract<PoolOrder, { kind: 'report-end' }>, pid: number): void {
    // The verdict on a first start is the command's to print.
    if (!this.#isStartDecided) return;
    const { clock, log, describeErrno, signalName } = this.#machine;
    const { slot, end, delayMs } = order;
    if (end.kind === 'not-executed') {
      const error = describeErrno(end.errno);
      log.write({
        event: 'exec-failed',
        slot,
        path: this.#settings.programPath,
        errno: end.errno,
        error,
        delayMs,
      });
      return;
    }
    const uptimeMs = Math.round(clock.nowMs() - (this.#startedAtMs.get(pid) ?? clock.nowMs()));
    const name = end.kind === 'signaled' ? signalName(end.signal) : undefined;
    log.write({
      event: 'worker-ended',
      slot,
      workerPid: pid,
      end,
      signalName: name,
      uptimeMs,
      class: order.class,
      delayMs,
    });
  }

  #failStart(firstEnds: readonly WorkerEnd[]): void {
    this.#beginStop();
    this.#awaitEmptySessions(() => this.#outcome.startFailed(firstEnds));
  }

  #reachStartLimit(): void {
    this.#status = exitStatus.startLimit;
    const limit = this.#settings.restart.startLimit;
    if (limit) this.#machine.log.write({ event: 'start-limit-reached', ...limit });
    this.#beginStop();
  }

  /** Workers are gone; their children may take until the deadline, and are never left behind. */
  #awaitEmptySessions(done: () => void): void {
    const { clock, sessions } = this.#machine;
    const look = (): void => {
      const left = sessions.leftovers(this.#endedSessions);
      if (left.length === 0 || clock.nowMs() >= this.#giveUpAtMs) {
        this.#cancelDeadline?.();
        done();
        return;
      }
      clock.after(leftoverPollMs, look);
    };
    // Next tick: the caller still has to note the session of the worker that just ended.
    clock.after(0, () => {
      if (!this.#isKilling) sessions.signalLeftovers(this.#endedSessions, 'SIGTERM');
      look();
    });
  }

  #startingWorkers(): StartingWorker[] {
    return this.#pool.slots.flatMap(({ state }, slot) =>
      state.kind === 'starting' ? [{ slot, pid: state.pid, startedAtMs: state.startedAtMs }] : [],
    );
  }
}
