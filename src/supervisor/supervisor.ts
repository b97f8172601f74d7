// The loop's heart: turns what happened (exit, timer, signal, command) into the pool's
// events, and the pool's orders into calls of the machine. No system call here.
import { exitStatus, type SyscallError } from '../core/errors.ts';
import { describeRefused } from '../core/event-text.ts';
import { everyStep } from '../core/every-step.ts';
import { describeLeft, describeUnendable, type LeftProcess } from '../core/left-process.ts';
import { OrderQueue, type Hands } from '../core/order-queue.ts';
import type { OrderOf, PoolOrder } from '../core/orders.ts';
import type { Life } from '../core/life.ts';
import { Pool, type Moment, type PoolPhase } from '../core/pool.ts';
import type { AdoptedWorker, Roster } from '../core/roster.ts';
import type { WorkerEnd, WorkerExit } from '../core/worker-exit.ts';
import { AdoptedWorkers } from './adopted-workers.ts';
import { describeReloadFailure, endEvent } from './end-report.ts';
import { EndedSessions } from './ended-sessions.ts';
import type { Deadline } from './ending.ts';
import { GracefulEnd } from './graceful-end.ts';
import type { Machine, SessionMember, Sessions, SocketHolder, Spawner } from './interfaces.ts';
import { LeftBehind } from './left-behind.ts';
import type { LastReload, OperationEnd, OperationListener, Outcome } from './outcome.ts';
import { SessionSweep } from './session-sweep.ts';
import type { PoolSettings } from './settings.ts';
import { Strays } from './strays.ts';
import { workersToWatch } from './up-rules.ts';
import { UpWatch } from './up-watch.ts';
import { SlotFacts } from './slot-facts.ts';

/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const leftoverPollMs = 10;
/** Of a failure that names no number. */
const EIO = 5;
/** From the last TERM to KILL for a worker that never was idle. */
const lastTermMs = 1000;

export class Supervisor {
  readonly #machine: Machine;
  readonly #settings: PoolSettings;
  readonly #outcome: Outcome;
  readonly #pool: Pool;
  readonly #orders: OrderQueue<EndedWorker>;
  readonly #upWatch: UpWatch;
  readonly #sweep: SessionSweep;
  readonly #gracefulEnd: GracefulEnd;
  readonly #adopted: AdoptedWorkers;
  readonly #strays: Strays;
  readonly #facts = new SlotFacts();
  readonly #left: LeftBehind;
  readonly #retries = new Map<number, () => void>();
  /** Slots whose next worker the log waits for. */
  readonly #delayed = new Set<number>();
  /** Of workers that ended while the pool was stopping. */
  readonly #ended: EndedSessions;
  /** Nothing was left behind. */
  #isWhole = true;
  #giveUpAtMs = Number.POSITIVE_INFINITY;
  #cancelDeadline: (() => void) | undefined;
  #operation: { readonly sinceMs: number; readonly listeners: OperationListener[] } | undefined;
  #handingOverSinceMs: number | undefined;
  /** Who waits for the reload that comes next. */
  #nextListeners: OperationListener[] = [];
  #lastReload: LastReload | undefined;
  /** What the trial of the reload under way said, if it failed. */
  #trialWords: readonly string[] = [];

  constructor(machine: Machine, settings: PoolSettings, outcome: Outcome) {
    const { clock, sessions, log } = machine;
    this.#machine = machine;
    this.#settings = settings;
    this.#outcome = outcome;
    this.#pool = new Pool(settings.workers, settings.restart, { probes: settings.isTriedFirst });
    this.#orders = new OrderQueue(this.#pool, this.#hands());
    this.#left = new LeftBehind(machine, (pid) => this.roster.get(pid) !== undefined);
    this.#ended = new EndedSessions(sessions);
    this.#sweep = new SessionSweep(clock, sessions, log, settings.stopTimeoutMs, (member) =>
      this.#left.noteMember(member, 'refused'),
    );
    const method = settings.stopMethod;
    const queued = (): number | undefined => machine.sharedSocket.queued();
    this.#gracefulEnd = new GracefulEnd({
      clock,
      sessions,
      log,
      method,
      queued,
      slotOf: (pid) => this.roster.get(pid)?.slot,
      onLeft: (pid, why) => this.#leaveReplaced(pid, why),
    });
    this.#adopted = new AdoptedWorkers(
      {
        clock,
        sessions: machine.adoptedSessions,
        log,
        method,
        queued,
        roster: this.roster,
        onLeft: (pid, why) => this.#left.noteAdopted(pid, why),
      },
      (pid) => this.#forgetAdopted(pid),
    );
    this.#strays = new Strays({
      holders: machine.socketHolders,
      log,
      slotOf: (pid) => this.roster.get(pid)?.slot,
    });
    this.#upWatch = new UpWatch(
      clock,
      machine.readiness,
      () => workersToWatch(this.#pool, settings, clock.nowMs()),
      ({ pid }, atMs, isSeen) => this.#noteUp(pid, atMs, isSeen),
    );
    this.#life.subscribe((now) => {
      if (now.kind === 'killing') this.#kill(now.cause);
    });
  }

  get #life(): Life {
    return this.#pool.life;
  }

  get phase(): PoolPhase {
    return this.#pool.phase;
  }

  get pool(): Pick<
    Pool,
    'phase' | 'isReloadDue' | 'generation' | 'wanted' | 'slots' | 'operation' | 'reload' | 'generationOf'
  > {
    return this.#pool;
  }

  /** Every process of the pool that is there. */
  get roster(): Roster {
    return this.#pool.roster;
  }

  get facts(): SlotFacts {
    return this.#facts;
  }

  /** What could not be ended, and is there still. */
  get left(): readonly LeftProcess[] {
    return this.#left.all();
  }

  /**
   * Why workers cannot be replaced: some may not be signalled, and would serve on beside the new ones. Undefined:
   * nothing is known against it.
   */
  get unendable(): string | undefined {
    const pids = this.#pool.livePids().filter((pid) => !this.#left.has(pid) && !this.#machine.maySignal(pid));
    return pids.length === 0 ? undefined : describeUnendable(pids);
  }

  /** Who holds the listening socket outside the sessions of workers. */
  get socketHolders(): readonly SocketHolder[] {
    return this.#strays.amongAll().holders;
  }

  get operationSinceMs(): number | undefined {
    return this.#operation?.sinceMs ?? this.#handingOverSinceMs;
  }

  get lastReload(): LastReload | undefined {
    return this.#lastReload;
  }

  /** Whether looking at workers of this program shows anything: one that serves is seen to. */
  looksWork(): boolean {
    const { readiness } = this.#machine;
    return this.#pool.slots.some(
      ({ state }) => state.kind === 'running' && readiness.evidenceOf(state.pid) === 'yes',
    );
  }

  /** Starts every worker; the outcome is told later. */
  start(): void {
    this.#carryOut(this.#pool.start());
  }

  /** A child of ours ended; strangers are ignored. */
  childEnded(pid: number, exit: WorkerExit): void {
    const worker = this.roster.get(pid);
    if (!worker) return;
    const { slot } = worker;
    const now = this.#now();
    const ended = { ...worker, isOfStart: this.#life.state.kind === 'starting' };
    this.#takeSteps(
      () => this.#machine.sharedSocket.restore(),
      () => this.#machine.records.ended(slot, pid),
      () => this.#gracefulEnd.leaderEnded(pid, exit),
    );
    // Replace first, clean up behind it afterwards: the respawn is what users wait for.
    this.#carryOut(this.#pool.ended(pid, exit, now), ended);
    this.#seeToSession(pid, this.#machine.sessions);
    // One that outlived the operation may have been the last of its release.
    if (worker.generation !== this.#pool.generation && !this.#pool.operation) this.#letGoOfReleases();
  }

  /** Ends the pool; asked a second time, with KILL at once. */
  stop(reason: string): void {
    const isFirst = !this.#life.ending;
    const orders = this.#pool.stop();
    if (!isFirst) return;
    this.#machine.log.write({ event: 'stopping', reason });
    this.#beginStop();
    this.#carryOut(orders);
  }

  /** A rolling reload; during one, one more afterwards, for everybody who asked. */
  reload(listener?: OperationListener): void {
    if (this.#life.ending) {
      listener?.({ kind: 'stopped' });
      return;
    }
    if (listener) this.#nextListeners.push(listener);
    this.#carryOut(this.#pool.ask({ kind: 'reload' }));
  }

  /** Old workers end, then new ones start; false when something else is under way. */
  restart(listener?: OperationListener): boolean {
    if (this.#pool.operation || this.#life.state.kind !== 'serving') return false;
    this.#operation = { sinceMs: this.#machine.clock.nowMs(), listeners: listener ? [listener] : [] };
    this.#carryOut(this.#pool.ask({ kind: 'restart' }));
    return true;
  }

  /** Asks for that many workers, at least one. */
  scale(workers: number): void {
    this.#carryOut(this.#pool.ask({ kind: 'scale', workers: Math.max(1, workers) }));
  }

  /** `taker`: the supervisor that takes the pool over. */
  setHandingOver(isHandingOver: boolean, taker = 0): void {
    // A worker may have started it, by a deploy script for example: it would be one of those that have left then.
    if (isHandingOver && taker > 0) this.#machine.socketHolders.spare(taker);
    this.#handingOverSinceMs = isHandingOver ? this.#machine.clock.nowMs() : undefined;
    this.#carryOut(this.#pool.ask({ kind: 'handover', isHeld: isHandingOver }));
  }

  /** Workers of another supervisor are ended gracefully; they are part of the pool until then. */
  endAdopted(workers: readonly AdoptedWorker[]): void {
    if (workers.length === 0) return;
    if (this.#life.ending) this.#machine.stopGuard.add(workers);
    this.#adopted.end(workers, this.#deadline());
  }

  #forgetAdopted(pid: number): void {
    const { records, adoptedSessions } = this.#machine;
    records.adoptedEnded(pid);
    this.#seeToSession(pid, adoptedSessions);
  }

  /** A worker has ended just now: what it has left ends, too. */
  #seeToSession(pid: number, sessions: Sessions): void {
    if (!this.#life.ending) {
      this.#sweep.add(pid, sessions);
      // Who lost his parent just now can be told from here on.
      this.#takeSteps(() => this.#strays.amongOrphans());
      return;
    }
    const isOver = this.#ended.add(pid, sessions);
    this.#takeSteps(() => this.#machine.stopGuard.ended(pid, isOver));
  }

  /** Another supervisor, the heir, has the pool now: our workers end, and nothing else. */
  drain(heir: AdoptedWorker | undefined): void {
    if (this.#life.ending) return;
    const orders = this.#pool.stop('drain');
    this.#beginStop(heir);
    this.#carryOut(orders);
  }

  #beginStop(heir?: AdoptedWorker): void {
    const { clock, stopGuard } = this.#machine;
    this.#ended.takeOver(this.#sweep.pending);
    const own = this.roster.pids;
    this.#takeSteps(
      () => stopGuard.begin({ own, adopted: this.roster.adopted, ended: this.#ended.leaders }, heir),
      () => this.#outcome.stopping(),
      () => this.#cancelRetries(),
      () => this.#machine.trials.cancel(),
      () => this.#sweep.cancel(),
      () => this.#ended.signal('SIGTERM'),
    );
    this.#cancelDeadline ??= clock.after(this.#settings.stopTimeoutMs, () => this.#life.change('overdue'));
    const told = this.#nextListeners.splice(0);
    this.#takeSteps(
      () => this.#endStrays(),
      () => this.#gracefulEnd.hurry(this.#deadline()),
      () => this.#adopted.hurry(this.#deadline()),
      () => this.#endOperation({ kind: 'stopped' }),
      ...told.map((listener) => () => listener({ kind: 'stopped' })),
    );
  }

  /** Those that are nobody's child any more; the result: a look has shown that there are no others. */
  #endStrays(): boolean {
    const { holders, isCertain } = this.#strays.amongOrphans();
    const known = new Set(this.#adopted.pids);
    this.endAdopted(holders.filter(({ pid }) => !known.has(pid)));
    if (this.#life.state.kind === 'killing' && holders.length > 0) this.#adopted.kill();
    return isCertain;
  }

  #cancelRetries(): void {
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  /** One that fails keeps no other from happening. */
  #takeSteps(...steps: readonly (() => void)[]): void {
    everyStep(({ stack, message }) => this.#warn(`internal error: ${stack ?? message}`), ...steps);
  }

  /**
   * In a stop the KILL is the pool's own, at the stop timeout, and the last TERM a second before; a worker that
   * is replaced has the whole of it, and KILL comes a second later.
   */
  #deadline(): Deadline {
    const endMs = this.#machine.clock.nowMs() + this.#settings.stopTimeoutMs;
    const { ending } = this.#life;
    if (!ending) return { termAtMs: endMs, killAtMs: endMs + lastTermMs, isReplaced: true };
    const termAtMs = endMs - Math.min(lastTermMs, this.#settings.stopTimeoutMs / 2);
    return { termAtMs, killAtMs: Number.POSITIVE_INFINITY, isReplaced: ending.reason === 'drained' };
  }

  #kill(reason: string): void {
    this.#giveUpAtMs = this.#machine.clock.nowMs() + afterKillMs;
    const workers = [...this.roster.pids, ...this.#adopted.pids];
    const reportCut = [this.#gracefulEnd.beforeKill(reason), this.#adopted.beforeKill(reason)];
    const refusing = [
      ...this.#machine.sessions.signalWorkers(this.roster.pids, 'SIGKILL'),
      ...this.#adopted.kill(),
    ];
    const left = this.#ended.signal('SIGKILL').signalled;
    const reached = left.filter(({ isRefused }) => !isRefused).map(({ pid }) => pid);
    const refused = left.filter(({ isRefused }) => isRefused).map(({ pid }) => pid);
    const pids = [...workers.filter((pid) => !refusing.includes(pid)), ...reached];
    if (pids.length > 0) this.#machine.log.write({ event: 'killed', reason, pids });
    for (const report of reportCut) report(refusing);
    const queued = this.#machine.sharedSocket.queued() ?? 0;
    if (queued > 0) this.#warn(`nobody is left to accept what still waits in the queue: ${queued}`);
    if (refusing.length > 0) this.#warn(describeRefused(refusing, 'a worker'));
    if (refused.length > 0) this.#warn(describeRefused(refused, 'left of a worker'));
    for (const member of left) if (member.isRefused) this.#left.noteMember(member, 'refused');
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#machine.clock.after(afterKillMs, () =>
      this.#leave(this.roster.pids, 'stuck'),
    );
    this.#leave(refusing, 'refused');
  }

  /** A worker in uninterruptible sleep ends when the kernel lets it, and another's never; the stop does not wait for that. */
  #leave(pids: readonly number[], why: LeftProcess['why']): void {
    const left = pids.filter((pid) => this.roster.get(pid) !== undefined);
    for (const pid of left) if (why === 'refused' || !this.#left.has(pid)) this.#left.noteWorker(pid, why);
    for (const pid of left) {
      this.#gracefulEnd.leaderEnded(pid);
      this.#carryOut(this.#pool.leave(pid, this.#now()));
    }
  }

  /** What waits for the end of a worker that is replaced goes on without; the end of the pool waits for its KILL. */
  #leaveReplaced(pid: number, why: LeftProcess['why']): void {
    this.#left.noteWorker(pid, why);
    if (this.roster.get(pid)?.role === 'retiree') this.#carryOut(this.#pool.leave(pid, this.#now()));
  }

  #now(): Moment {
    return { atMs: this.#machine.clock.nowMs(), random: this.#machine.random() };
  }

  #warn(message: string): void {
    this.#machine.log.write({ event: 'warning', message });
  }

  #noteUp(pid: number, atMs: number, isSeen: boolean): void {
    if (!this.#pool.reload) this.#machine.sharedSocket.look();
    this.#carryOut(this.#pool.up(pid, atMs, isSeen));
  }

  #carryOut(orders: readonly PoolOrder[], ended?: EndedWorker): void {
    this.#orders.carryOut(orders, ended);
  }

  #hands(): Hands<EndedWorker> {
    const { log } = this.#machine;
    return {
      terminate: (orders) => this.#terminate(orders.map(({ pid }) => pid)),
      'reset-socket': () => this.#resetSocket(),
      spawn: ({ slot }) => this.#spawn(slot),
      'retry-after': ({ slot, delayMs }) => this.#retryAfter(slot, delayMs),
      'cancel-retry': ({ slot }) => this.#cancelRetry(slot),
      'report-end': (order, ended) => this.#reportEnd(order, ended),
      'report-up': ({ firstEnds }) => this.#reportUp(firstEnds),
      'start-failed': ({ firstEnds }) => this.#failStart(firstEnds),
      'start-limit-reached': () => this.#reachStartLimit(),
      stopped: () => this.#awaitEmptySessions(() => this.#outcome.stopped(this.#status())),
      try: (order) => this.#try(order),
      probe: (order) => this.#probe(order),
      promoted: ({ slot, pid }) => this.#promote(slot, pid),
      settle: ({ step }) =>
        this.#after(this.#settings.settleMs, () => this.#pool.tell({ kind: 'settled', step })),
      'reload-begun': ({ generation }) => this.#beginReload(generation),
      'reload-ended': (order) => this.#endReload(order),
      'restart-begun': ({ generation }) => log.write({ event: 'restart-started', generation }),
      'restart-ended': (order) => this.#endRestart(order),
      scaled: ({ workers }) => log.write({ event: 'scaled', workers }),
    };
  }

  #terminate(pids: readonly number[]): void {
    if (this.#life.state.kind !== 'killing') this.#gracefulEnd.end(pids, this.#deadline());
  }

  #resetSocket(): void {
    this.#takeSteps(
      () => this.#machine.sharedSocket.reset(),
      // No worker is left that one of them could be of, but the old ones.
      () => this.#endStrays(),
    );
  }

  #reportUp(firstEnds: readonly (WorkerEnd | undefined)[]): void {
    this.#machine.sharedSocket.settle();
    this.#outcome.up(firstEnds);
  }

  /** Starts the slot's worker; a failure is told after what led to it. */
  #spawn(slot: number): void {
    const generation = this.#pool.generationOf(slot);
    const result = this.#spawnOf(generation);
    const now = this.#now();
    if ('errno' in result) {
      const failed = { kind: 'spawn-failed', ...now } as const;
      this.#orders.tellLater(() => {
        const isOfStart = this.#life.state.kind === 'starting';
        const tried = { pid: 0, startedAtMs: now.atMs, generation, isOfStart };
        this.#carryOut(this.#pool.handle(slot, failed, result.errno), tried);
      });
      return;
    }
    this.#carryOut(this.#pool.handle(slot, { kind: 'spawned', pid: result.pid, atMs: now.atMs }));
    this.#takeSteps(() => this.#machine.records.started(slot, result.pid, 'member'));
    this.#upWatch.wake();
  }

  /** Whatever fails on the way to a process is a start that failed, and tried again like any other. */
  #spawnOf(generation: number): ReturnType<Spawner['spawn']> {
    try {
      return this.#machine.spawner.spawn(generation);
    } catch (error) {
      const { syscall = 'spawn', errno = EIO, message } = error as Partial<SyscallError>;
      this.#warn(`a worker could not be started: ${syscall}: ${message}`);
      return { errno: Math.abs(errno) };
    }
  }

  #try(order: OrderOf<'try'>): void {
    const { slot, generation, step } = order;
    this.#takeSteps(() => this.#strays.beforeNewGeneration());
    const result = this.#spawnOf(generation);
    const { atMs } = this.#now();
    if ('errno' in result) {
      this.#carryOut(this.#pool.tell({ kind: 'candidate-failed', step, errno: result.errno }));
      return;
    }
    this.#carryOut(this.#pool.tried(order, result.pid, atMs));
    this.#takeSteps(() => this.#machine.records.started(slot, result.pid, 'candidate'));
    this.#after(this.#settings.readyTimeoutMs, () => this.#pool.tell({ kind: 'late', step }));
    this.#upWatch.wake();
  }

  #probe({ generation, step }: OrderOf<'probe'>): void {
    this.#machine.trials.run(
      generation,
      () => this.looksWork(),
      (refusal) => {
        this.#trialWords = refusal?.words ?? [];
        this.#carryOut(
          this.#pool.tell({ kind: 'probed', step, refusal: refusal?.reason, isLate: refusal?.isLate }),
        );
      },
    );
  }

  #promote(slot: number, pid: number): void {
    this.#machine.records.promoted(slot, pid);
    const generation = this.roster.get(pid)?.generation ?? 0;
    this.#machine.log.write({ event: 'worker-replaced', slot, workerPid: pid, generation });
  }

  #after(delayMs: number, orders: () => PoolOrder[]): void {
    this.#operationTimer?.();
    this.#operationTimer = this.#machine.clock.after(delayMs, () => {
      this.#operationTimer = undefined;
      this.#carryOut(orders());
    });
  }
  #operationTimer: (() => void) | undefined;

  #beginReload(generation: number): void {
    this.#operation = { sinceMs: this.#machine.clock.nowMs(), listeners: this.#nextListeners };
    this.#nextListeners = [];
    this.#trialWords = [];
    this.#machine.sharedSocket.look();
    this.#machine.log.write({ event: 'reload-started', generation });
  }

  #endReload({ result, generation, failure }: OrderOf<'reload-ended'>): void {
    const { log, clock, spawner } = this.#machine;
    const message = failure ? describeReloadFailure(failure, spawner.pathOf(generation), this.#machine) : '';
    const words = failure?.kind === 'no-answer' ? this.#trialWords : [];
    this.#takeSteps(() => {
      const old = this.#strays.afterNewGeneration();
      if (result === 'reloaded') this.endAdopted(old);
    });
    const left = this.#left.all(this.roster.in('retiree').map(({ pid }) => pid));
    // Old and new workers are in service, as after any reload that was done in part.
    const outcome = result === 'reloaded' && left.length > 0 ? 'partly' : result;
    const reasons = [message, left.length > 0 ? describeLeft(left) : ''].filter((text) => text !== '');
    this.#lastReload = { result: outcome, atMs: clock.nowMs(), message: reasons.join('; '), words };
    if (result === 'reloaded') this.#machine.sharedSocket.settle();
    else this.#machine.sharedSocket.revert();
    const serving = this.#pool.generation;
    const reason = failure ? { reason: message, ...(words.length > 0 ? { words } : {}) } : {};
    log.write({ event: 'reload-finished', result: outcome, generation, serving, ...reason, ...whatIs(left) });
    this.#letGoOfReleases();
    this.#endOperation({ kind: 'reload', result: outcome, generation, serving, message, ...whatIs(left) });
  }

  /** A release is kept for the pool's slots, and while a worker of it lives. */
  #letGoOfReleases(): void {
    this.#machine.spawner.keepOnly([...new Set([this.#pool.generation, ...this.roster.generations])]);
  }

  #endRestart({ isUp, generation }: OrderOf<'restart-ended'>): void {
    const left = this.#left.all();
    this.#machine.log.write({ event: 'restart-finished', generation, isUp, ...whatIs(left) });
    this.#machine.sharedSocket.settle();
    this.#machine.spawner.keepOnly([generation]);
    this.#endOperation({ kind: 'restart', isUp, generation, ...whatIs(left) });
  }

  #endOperation(end: OperationEnd): void {
    this.#operationTimer?.();
    this.#operationTimer = undefined;
    const listeners = this.#operation?.listeners ?? [];
    this.#operation = undefined;
    for (const listener of listeners) listener(end);
  }

  #retryAfter(slot: number, delayMs: number): void {
    this.#retries.get(slot)?.();
    const cancel = this.#machine.clock.after(delayMs, () => {
      this.#retries.delete(slot);
      const isAwaited = this.#delayed.delete(slot);
      this.#carryOut(this.#pool.handle(slot, { kind: 'retry-due' }));
      const workerPid = this.#pidOf(slot);
      if (isAwaited && workerPid !== undefined)
        this.#machine.log.write({ event: 'worker-started', slot, workerPid });
    });
    this.#retries.set(slot, cancel);
  }

  #pidOf(slot: number): number | undefined {
    const state = this.#pool.slots[slot]?.state;
    return state !== undefined && 'pid' in state ? state.pid : undefined;
  }

  #cancelRetry(slot: number): void {
    this.#delayed.delete(slot);
    this.#retries.get(slot)?.();
    this.#retries.delete(slot);
  }

  #reportEnd(order: OrderOf<'report-end'>, ended: EndedWorker | undefined): void {
    // The verdict on a first start is the command's to print.
    if (ended?.isOfStart) return;
    const { clock, log, spawner } = this.#machine;
    const { slot, end } = order;
    this.#facts.noteEnd(slot, end);
    const path = spawner.pathOf(ended?.generation ?? this.#pool.generationOf(slot));
    const uptimeMs = Math.round(clock.nowMs() - (ended?.startedAtMs ?? clock.nowMs()));
    // The respawn went first; of a later one the log hears when it is there.
    const successorPid = order.delayMs === 0 ? this.#pidOf(slot) : undefined;
    if ((order.delayMs ?? 0) > 0 && order.class !== 'planned') this.#delayed.add(slot);
    log.write(endEvent(order, { workerPid: ended?.pid ?? 0, path, uptimeMs, successorPid }, this.#machine));
  }

  #failStart(firstEnds: readonly WorkerEnd[]): void {
    this.#beginStop();
    this.#awaitEmptySessions(() => this.#outcome.startFailed(firstEnds));
  }

  #reachStartLimit(): void {
    const limit = this.#settings.restart.startLimit;
    if (limit) this.#machine.log.write({ event: 'start-limit-reached', ...limit });
    this.#beginStop();
  }

  #tellLeft(): void {
    const left = this.#left.all();
    if (left.length > 0) this.#warn(describeLeft(left));
    this.#isWhole = left.length === 0;
  }

  /** A pool that has not ended whole has not ended well. */
  #status(): number {
    if (this.#life.ending?.reason === 'start-limit') return exitStatus.startLimit;
    return this.#isWhole ? exitStatus.ok : exitStatus.failed;
  }

  /** Workers are gone; their children may take until the deadline. */
  #awaitEmptySessions(done: () => void): void {
    const { clock, stopGuard } = this.#machine;
    const look = (): void => {
      // A look that fails has shown nothing.
      let members: readonly SessionMember[] | undefined;
      let isCertain = false;
      this.#takeSteps(() => {
        // Again at every look: a fork may have escaped the last one.
        const seen = this.#ended.signal(this.#life.state.kind === 'killing' ? 'SIGKILL' : 'SIGTERM');
        isCertain = this.#endStrays() && seen.isCertain;
        members = seen.members.filter(({ pid }) => !this.#left.has(pid));
      });
      const isOver = this.#adopted.pids.length === 0 && members?.length === 0 && isCertain;
      if (!isOver && clock.nowMs() < this.#giveUpAtMs) {
        clock.after(leftoverPollMs, look);
        return;
      }
      for (const pid of this.#adopted.pids) this.#left.noteAdopted(pid, 'stuck');
      for (const member of members ?? []) this.#left.noteMember(member, 'stuck');
      if (!isCertain) this.#warn(unseen);
      this.#cancelDeadline?.();
      this.#takeSteps(
        () => this.#tellLeft(),
        () => stopGuard.end(),
      );
      this.#life.change('cleared');
      done();
    };
    // Next tick: the caller still has to note the session of the worker that just ended.
    clock.after(0, look);
  }
}

/** For an event. */
function whatIs(left: readonly LeftProcess[]): { readonly left?: readonly LeftProcess[] } {
  return left.length > 0 ? { left } : {};
}

const unseen = 'it cannot be seen whether workers have left processes behind';

/** What is known of a worker at its end; PID 0 could not be executed. */
interface EndedWorker {
  readonly pid: number;
  readonly generation: number;
  readonly startedAtMs: number;
  /** The start was not decided yet. */
  readonly isOfStart: boolean;
}
