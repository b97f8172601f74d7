// Everything that ends processes: workers gracefully or by KILL, those of another supervisor, what they leave of their
// sessions; and what it could not end.
import { describeRefused } from '../../core/text/end-text.ts';
import { describeUnendable, type WhyLeft } from '../../core/text/left-process.ts';
import type { OrderOf } from '../../core/pool/orders.ts';
import type { AdoptedWorker } from '../../core/pool/roster.ts';
import type { WorkerExit } from '../../core/worker-exit.ts';
import { AdoptedWorkers } from './adopted-workers.ts';
import type { Context } from '../context.ts';
import { EndedSessions } from './ended-sessions.ts';
import type { Deadline } from './ending.ts';
import { GracefulEnd } from './graceful-end.ts';
import type { DoomedSessions, SessionMember, Sessions, SocketHolder } from '../../core/machine.ts';
import { LeftBehind } from './left-behind.ts';
import { SessionSweep } from './session-sweep.ts';
import { Strays } from './strays.ts';

/** From the last TERM to KILL for a worker that never was idle. */
const lastTermMs = 1000;

/** Nobody waits for the end of it, and its request may take what it takes. */
function unhurriedBy({ termAtMs, killAtMs, isReplaced }: Deadline): Deadline {
  const never = { termAtMs: Number.POSITIVE_INFINITY, killAtMs: Number.POSITIVE_INFINITY };
  return { ...never, isReplaced, unhurried: { termAtMs, killAtMs } };
}

/** What a look at the end of a stop has shown; `isCertain`: nobody is there besides. */
interface Rest {
  readonly members: readonly SessionMember[];
  readonly isCertain: boolean;
  readonly isOver: boolean;
}

export class WorkerEnds {
  readonly left: LeftBehind;
  readonly #context: Context;
  readonly #sweep: SessionSweep;
  readonly #gracefulEnd: GracefulEnd;
  readonly #adopted: AdoptedWorkers;
  readonly #strays: Strays;
  /** Of workers that ended while the pool was stopping. */
  readonly #ended: EndedSessions;

  constructor(context: Context) {
    const { machine, roster, settings } = context;
    const { clock, sessions, log } = machine;
    const { stopMethod: method, stopTimeoutMs } = settings;
    const queued = (): number | undefined => machine.sharedSocket.queued();
    this.#context = context;
    this.left = new LeftBehind(machine, roster);
    this.#sweep = new SessionSweep(clock, sessions, log, stopTimeoutMs, (member) =>
      this.left.noteMember(member, 'refused'),
    );
    this.#ended = new EndedSessions(sessions);
    const slotOf = (pid: number): number | undefined => roster.get(pid)?.slot;
    const onLeft = (pid: number, why: WhyLeft): void => this.#leaveReplaced(pid, why);
    this.#gracefulEnd = new GracefulEnd({ clock, sessions, log, method, queued, slotOf, onLeft });
    const onAdoptedLeft = (pid: number, why: WhyLeft): void => this.left.noteAdopted(pid, why);
    this.#adopted = new AdoptedWorkers(
      { clock, sessions: machine.adoptedSessions, log, method, queued, roster, onLeft: onAdoptedLeft },
      (pid) => this.#forgetAdopted(pid),
    );
    this.#strays = new Strays({ holders: machine.socketHolders, log, slotOf });
  }

  /**
   * Why workers cannot be replaced: some may not be signalled, and would serve on beside the new ones. Undefined:
   * nothing is known against it.
   */
  get unendable(): string | undefined {
    const { machine, pool } = this.#context;
    const pids = pool.livePids().filter((pid) => !this.left.has(pid) && !machine.maySignal(pid));
    return pids.length === 0 ? undefined : describeUnendable(pids);
  }

  /** What a stop has to end; what the sweep was at becomes part of it. */
  takeDoomed(): DoomedSessions {
    const { roster } = this.#context;
    this.#ended.takeOver(this.#sweep.pending);
    return { own: roster.pids, adopted: roster.adopted, ended: this.#ended.leaders };
  }

  end(orders: readonly Pick<OrderOf<'terminate'>, 'pid' | 'isUnhurried'>[]): void {
    if (this.#context.life.state.kind === 'killing') return;
    const hurried = orders.filter(({ isUnhurried }) => !isUnhurried).map(({ pid }) => pid);
    const unhurried = orders.filter(({ isUnhurried }) => isUnhurried).map(({ pid }) => pid);
    if (hurried.length > 0) this.#gracefulEnd.end(hurried, this.#deadline());
    if (unhurried.length > 0) this.#gracefulEnd.end(unhurried, unhurriedBy(this.#deadline()));
  }

  endAdopted(workers: readonly AdoptedWorker[]): void {
    if (workers.length === 0) return;
    if (this.#context.life.ending) this.#context.machine.stopGuard.add(workers);
    this.#adopted.end(workers, this.#deadline());
  }

  ended(pid: number, exit: WorkerExit): void {
    this.#gracefulEnd.leaderEnded(pid, exit);
  }

  /** A worker has ended just now: what it has left ends, too. */
  seeToSession(pid: number, sessions: Sessions = this.#context.machine.sessions): void {
    const { machine, life } = this.#context;
    if (!life.ending) {
      this.#sweep.add(pid, sessions);
      // Who lost his parent just now can be told from here on.
      this.#context.takeSteps(() => this.#strays.amongOrphans());
      return;
    }
    const isOver = this.#ended.add(pid, sessions);
    this.#context.takeSteps(() => machine.stopGuard.ended(pid, isOver));
  }

  /** The stop ends what the sweep would have ended. */
  cancelSweep(): void {
    this.#sweep.cancel();
  }

  askLeftovers(): void {
    this.#ended.signal('SIGTERM');
  }

  /** The pool stops: patience ends earlier. */
  hurry(): void {
    this.#context.takeSteps(
      () => this.endStrays(),
      () => this.#gracefulEnd.hurry(this.#deadline()),
      () => this.#adopted.hurry(this.#deadline()),
    );
  }

  /** The result: workers that may not be signalled. */
  kill(reason: string): readonly number[] {
    const { machine, roster } = this.#context;
    const workers = [...roster.pids, ...this.#adopted.pids];
    const reportCut = [this.#gracefulEnd.beforeKill(reason), this.#adopted.beforeKill(reason)];
    const refusing = [...machine.sessions.signalWorkers(roster.pids, 'SIGKILL'), ...this.#adopted.kill()];
    const left = this.#ended.signal('SIGKILL').signalled;
    const reached = left.filter(({ isRefused }) => !isRefused).map(({ pid }) => pid);
    const refused = left.filter(({ isRefused }) => isRefused);
    const pids = [...workers.filter((pid) => !refusing.includes(pid)), ...reached];
    if (pids.length > 0) machine.log.write({ event: 'killed', reason, pids });
    for (const report of reportCut) report(refusing);
    this.#warnOf(refusing, refused);
    for (const member of refused) this.left.noteMember(member, 'refused');
    return refusing;
  }

  #warnOf(refusing: readonly number[], refused: readonly SessionMember[]): void {
    const queued = this.#context.machine.sharedSocket.queued() ?? 0;
    const pids = refused.map(({ pid }) => pid);
    if (queued > 0) this.#context.warn(`nobody is left to accept what still waits in the queue: ${queued}`);
    if (refusing.length > 0) this.#context.warn(describeRefused(refusing, 'a worker'));
    if (pids.length > 0) this.#context.warn(describeRefused(pids, 'left of a worker'));
  }

  /** A worker in uninterruptible sleep ends when the kernel lets it, and another's never; the stop does not wait for that. */
  leave(pids: readonly number[], why: WhyLeft): void {
    const { roster } = this.#context;
    const left = pids.filter((pid) => roster.get(pid) !== undefined);
    for (const pid of left) if (why === 'refused' || !this.left.has(pid)) this.left.noteWorker(pid, why);
    for (const pid of left) {
      this.#gracefulEnd.leaderEnded(pid);
      this.#leave(pid);
    }
  }

  /** Who holds the listening socket outside the sessions of workers. */
  get holders(): readonly SocketHolder[] {
    return this.#strays.amongAll().holders;
  }

  /** Those that are nobody's child any more; the result: a look has shown that there are no others. */
  endStrays(): boolean {
    const known = new Set(this.#adopted.pids);
    const { isCertain } = this.#strays.amongOrphans((holders) => {
      this.endAdopted(holders.filter(({ pid }) => !known.has(pid)));
      if (this.#context.life.state.kind === 'killing' && holders.length > 0) this.#adopted.kill();
    });
    return isCertain;
  }

  /** The first candidate is about to be started, or a further one. */
  beforeNewGeneration(): void {
    this.#strays.beforeNewGeneration();
  }

  afterNewGeneration(isInService: boolean): void {
    const old = this.#strays.afterNewGeneration();
    if (isInService) this.endAdopted(old);
  }

  /** In a stop whose workers are gone: what of theirs is there still, told once more to end. */
  lookForRest(): Rest {
    const { life } = this.#context;
    let members: readonly SessionMember[] = [];
    let isCertain = false;
    this.#context.takeSteps(() => {
      // Again at every look: a fork may have escaped the last one.
      const seen = this.#ended.signal(life.state.kind === 'killing' ? 'SIGKILL' : 'SIGTERM');
      isCertain = this.endStrays() && seen.isCertain;
      members = seen.members.filter(({ pid }) => !this.left.has(pid));
    });
    return {
      members,
      isCertain,
      isOver: isCertain && members.length === 0 && this.#adopted.pids.length === 0,
    };
  }

  /** The stop waits no longer. */
  leaveRest({ members, isCertain }: Rest): void {
    for (const pid of this.#adopted.pids) this.left.noteAdopted(pid, 'stuck');
    for (const member of members) this.left.noteMember(member, 'stuck');
    if (!isCertain) this.#context.warn('it cannot be seen whether workers have left processes behind');
  }

  /**
   * In a stop the KILL is the pool's own, at the stop timeout, and the last TERM a second before; a worker that
   * is replaced has the whole of it, and KILL comes a second later.
   */
  #deadline(): Deadline {
    const { machine, settings, life } = this.#context;
    const endMs = machine.clock.nowMs() + settings.stopTimeoutMs;
    const { ending } = life;
    if (!ending) return { termAtMs: endMs, killAtMs: endMs + lastTermMs, isReplaced: true };
    const termAtMs = endMs - Math.min(lastTermMs, settings.stopTimeoutMs / 2);
    return { termAtMs, killAtMs: Number.POSITIVE_INFINITY, isReplaced: ending.reason === 'drained' };
  }

  /** What waits for the end of a worker that is replaced goes on without; the end of the pool waits for its KILL. */
  #leaveReplaced(pid: number, why: WhyLeft): void {
    this.left.noteWorker(pid, why);
    const role = this.#context.roster.get(pid)?.role;
    if (role === 'retiree' || role === 'spare') this.#leave(pid);
  }

  #leave(pid: number): void {
    this.#context.carryOut(this.#context.pool.leave(pid, this.#context.now()));
  }

  #forgetAdopted(pid: number): void {
    const { records, adoptedSessions } = this.#context.machine;
    records.adoptedEnded(pid);
    this.seeToSession(pid, adoptedSessions);
  }
}
