// One fake system for the supervisor's tests: processes in sessions, and a journal of everything that the supervisor
// asked for, in order.
import type { PoolEvent } from '../../../src/core/text/pool-event.ts';
import type { WorkerExit } from '../../../src/core/worker-exit.ts';
import type * as interfaces from '../../../src/core/machine.ts';
import { ManualClock } from './manual-clock.ts';

interface Habits {
  readonly needsIdleStop?: boolean;
  /** And every other signal but KILL. */
  readonly ignoresTerm?: boolean;
  /** In uninterruptible sleep: not even KILL ends it. */
  readonly isStuck?: boolean;
  /** Runs as another user: no signal may be sent to it. */
  readonly isForeign?: boolean;
}

interface FakeProcess extends Habits {
  readonly session: number;
  isZombie: boolean;
}

export class FakeMachine implements interfaces.Machine {
  readonly clock = new ManualClock();
  /** What was asked of the machine, one line each. */
  readonly journal: string[] = [];
  readonly events: PoolEvent[] = [];
  /** Every worker's PID ever spawned, oldest first. */
  readonly spawned: number[] = [];
  /** The errno of each of the next spawns; 0 works, a negative one throws. */
  spawnErrnos: number[] = [];
  /** How the next workers behave. */
  workerHabits: Habits = {};
  randomNumber = 0;
  readonly waiting = new Set<number>();
  /** How often somebody looked whether workers are idle, to end them. */
  idleLooks = 0;
  /** How they were to be ended, at the last of these looks. */
  idleWay = '';
  /** How often somebody looked whether a worker waits. */
  looks = 0;
  onChildEnd: (pid: number, exit: WorkerExit) => void = () => undefined;
  readonly #processes = new Map<number, FakeProcess>();
  readonly #deaths: { readonly pid: number; readonly exit: WorkerExit }[] = [];
  #nextPid = 101;

  /** Workers that /proc shows dead while their exit was not told yet. */
  readonly unnoticedDead = new Set<number>();

  /** The generations that were let go of are not among these. */
  kept: readonly number[] | undefined;
  /** Generation of each worker ever spawned. */
  readonly generations = new Map<number, number>();
  readonly spawner = {
    spawn: (generation: number) => this.#spawn(generation),
    spawnSpare: (generation: number) => this.#spawn(generation),
    pathOf: (generation: number): string => (generation === 1 ? '/srv/app' : `/srv/${generation}/app`),
    keepOnly: (generations: readonly number[]): void => {
      this.kept = generations;
    },
  };
  /** Trials that were asked for; each waits for its verdict. */
  readonly trialsRun: {
    generation: number;
    looksWork: () => boolean;
    done: (refusal?: interfaces.TrialRefusal) => void;
  }[] = [];
  trialsCancelled = 0;
  readonly trials: interfaces.Trials = {
    run: (generation, looksWork, done) => void this.trialsRun.push({ generation, looksWork, done }),
    cancel: () => void this.trialsCancelled++,
  };
  readonly sharedSocket: interfaces.SharedSocket = {
    settle: () => undefined,
    look: () => undefined,
    restore: () => undefined,
    revert: () => undefined,
    reset: () => void this.journal.push('reset socket'),
    queued: () => this.queued,
  };
  readonly stopGuard: interfaces.StopGuard = {
    begin: ({ own, adopted, ended }, heir) => {
      const all = [...own, ...adopted.map(({ pid }) => pid), ...ended];
      if (all.length > 0) this.journal.push(`guard ${all.join(' ')}${heir ? ` unless ${heir.pid}` : ''}`);
    },
    add: (workers) => void this.journal.push(`guard also ${workers.map(({ pid }) => pid).join(' ')}`),
    ended: (leader, isOver) => {
      if (!isOver) this.journal.push(`guard knows that ${leader} has left somebody`);
    },
    childEnded: () => undefined,
    end: () => void this.journal.push('guard ends'),
  };
  /** Connections in the queue of a socket that lets nobody new in. */
  queued: number | undefined;
  /** Workers that may not be looked into. */
  readonly hidden = new Set<number>();
  readonly readiness = {
    evidenceOf: (pid: number): interfaces.Evidence => {
      this.looks++;
      if (this.hidden.has(pid)) return 'unknown';
      return this.waiting.has(pid) ? 'yes' : 'no';
    },
    hasEnded: (pid: number): boolean => this.unnoticedDead.has(pid),
  };
  readonly log = {
    write: (event: PoolEvent): void => {
      this.events.push(event);
      this.journal.push(`log ${event.event}`);
    },
    reopen: (): void => undefined,
  };
  readonly records = {
    started: (slot: number, pid: number, role: 'member' | 'candidate'): void =>
      void this.journal.push(`record ${slot} ${role === 'member' ? 'started' : 'tries'} ${pid}`),
    promoted: (slot: number, pid: number): void => void this.journal.push(`record ${slot} is ${pid}`),
    ended: (slot: number | undefined, pid: number): void =>
      void this.journal.push(`record ${slot ?? `spare ${pid}`} ended`),
    spareStarted: (pid: number): void => void this.journal.push(`record spare ${pid}`),
    adoptedEnded: (pid: number): void => void this.journal.push(`record adopted ${pid} ended`),
  };
  /** Workers of programs that are not known to finish on TERM: idle stop is for them. */
  readonly needIdleStop = new Set<number>();
  /** How long the clients of busy workers have been waiting, where the kernel tells. */
  readonly ages = new Map<number, number>();
  /** Workers that wait for the rest of a request, which TERM would cut. */
  readonly waitingForClient = new Set<number>();
  /** Workers that hold an accepted connection. */
  readonly busy = new Set<number>();
  readonly sessions: interfaces.Sessions = {
    askHandlers: (leaders) => {
      const asked = leaders.filter((leader) => this.#processes.get(leader)?.ignoresTerm);
      this.#note(asked, 'SIGTERM');
      return asked;
    },
    isAnyBusy: (leaders) => leaders.some((leader) => this.busy.has(leader)),
    requestsOf: (leaders) =>
      new Map(
        leaders.map((leader) => [
          leader,
          this.busy.has(leader) ? [{ connection: `of ${leader}`, ageMs: this.ages.get(leader) }] : [],
        ]),
      ),
    finishesOnTerm: (leader) => !this.needIdleStop.has(leader),
    wouldCut: (leader) => this.waitingForClient.has(leader),
    endIdle: (leaders, how) => this.#endIdle(leaders, how),
    signalWorkers: (leaders, signal) => {
      this.#note(leaders, signal);
      for (const [pid, { session }] of this.#processes) {
        if (leaders.includes(session)) this.#deliver(pid, signal);
      }
      return leaders.filter((leader) => this.#processes.get(leader)?.isForeign);
    },
    isOver: (leader) => ![...this.#processes.values()].some(({ session }) => session === leader),
    signalLeftovers: (leaders, signal) => {
      const left = this.isBlind ? [] : this.#leftovers(leaders);
      const due = left.filter(({ pid }) => signal === 'SIGKILL' || !this.#told.has(pid));
      const foreign = new Map(this.#processes);
      this.#note(
        due.map(({ pid }) => pid),
        signal,
      );
      for (const { pid } of due) {
        this.#told.add(pid);
        this.#deliver(pid, signal);
      }
      const signalled = due.map((member) => {
        const { isForeign = false } = foreign.get(member.pid) ?? {};
        return isForeign ? { ...member, isRefused: true } : member;
      });
      return { members: this.isBlind ? [] : this.#leftovers(leaders), signalled, isCertain: !this.isBlind };
    },
    leftovers: (leaders) => ({
      members: this.isBlind ? [] : this.#leftovers(leaders),
      signalled: [],
      isCertain: !this.isBlind,
    }),
  };
  /** Leftovers that had their TERM. */
  readonly #told = new Set<number>();
  /** No look at leftovers shows anything. */
  isBlind = false;

  readonly adoptedSessions: interfaces.AdoptedSessions = {
    ...this.sessions,
    adopt: () => undefined,
    isAlive: (leader) => this.#processes.get(leader)?.isZombie === false,
  };

  /** Workers that are stopped. */
  readonly held = new Set<number>();
  /** Held ones for which a signal waits that will end them. */
  readonly doomed = new Set<number>();
  readonly heldSessions: interfaces.HeldSessions = {
    hold: (leader) => {
      const verdict = this.#judgeIdle(leader, 'hold');
      if (verdict === 'signalled') this.held.add(leader);
      this.journal.push(`hold ${leader}: ${verdict}`);
      return verdict;
    },
    wake: (leader) => {
      if (this.held.delete(leader)) this.journal.push(`wake ${leader}`);
      return !this.doomed.has(leader) && this.#processes.get(leader)?.isZombie === false;
    },
    isReleased: (leader) => !this.held.has(leader),
  };

  readonly maySignal = (pid: number): boolean => !this.#processes.get(pid)?.isForeign;
  readonly membersOf = (leader: number): number[] =>
    [...this.#processes].filter(([, { session }]) => session === leader).map(([pid]) => pid);
  /** Who holds the socket outside the sessions of workers. */
  holders: interfaces.SocketHolder[] = [];
  readonly socketHolders: interfaces.SocketHolders = {
    amongOrphans: () => ({
      holders: this.holders.filter(({ worker }) => worker === undefined),
      isCertain: true,
    }),
    amongAll: () => ({ holders: this.holders, isCertain: true }),
    spare: (pid) => void (this.holders = this.holders.filter((holder) => holder.pid !== pid)),
  };

  readonly random = (): number => this.randomNumber;
  readonly describeErrno = (errno: number): string => `error text ${errno}`;
  readonly signalName = (signal: number): string | undefined => (signal === 11 ? 'SIGSEGV' : undefined);

  /** PIDs of the workers that live, in the order of their starts. */
  get live(): number[] {
    return this.spawned.filter((pid) => this.#processes.get(pid)?.isZombie === false);
  }

  /** Everything that lives, workers and what they started. */
  get processCount(): number {
    return this.#processes.size;
  }

  /** A worker starts a child in its session; the result is the child's PID. */
  fork(worker: number, habits: Habits = {}): number {
    const pid = this.#nextPid++;
    this.#processes.set(pid, { ...habits, session: worker, isZombie: false });
    return pid;
  }

  /** A worker ends by itself and its parent is told at once. */
  end(pid: number, exit: WorkerExit): void {
    if (!this.#processes.delete(pid)) throw new Error(`no process ${pid}`);
    this.waiting.delete(pid);
    this.held.delete(pid);
    this.onChildEnd(pid, exit);
  }

  /** Tells the parent of every worker that died of a signal since the last call. */
  reap(): void {
    for (const { pid, exit } of this.#deaths.splice(0)) this.end(pid, exit);
  }

  /** A process that was stuck gets its KILL through, or one leaves by itself. */
  vanish(pid: number): void {
    this.#processes.delete(pid);
  }

  /** The journal's lines since the last call. */
  takeJournal(): string[] {
    return this.journal.splice(0);
  }

  #endIdle(leaders: readonly number[], how: string): Map<number, interfaces.IdleVerdict> {
    this.idleLooks++;
    this.idleWay = how;
    const verdicts = new Map(leaders.map((leader) => [leader, this.#judgeIdle(leader, how)]));
    const idle = leaders.filter((leader) => verdicts.get(leader) === 'signalled');
    this.#note(idle, how === 'ask' ? 'SIGTERM' : `idle ${how}`);
    for (const [pid, { session }] of this.#processes) {
      if (idle.includes(session)) this.#deliver(pid, how.startsWith('kill') ? 'SIGKILL' : 'SIGTERM');
    }
    return verdicts;
  }

  #judgeIdle(leader: number, how: string): interfaces.IdleVerdict {
    const process = this.#processes.get(leader);
    if (!process || process.isZombie) return 'gone';
    if (this.hidden.has(leader)) return 'unknown';
    if (how === 'kill-waiting' && !this.waiting.has(leader)) return 'busy';
    if (this.busy.has(leader)) return 'busy';
    return process.isForeign ? 'unknown' : 'signalled';
  }

  #spawn(generation: number): { pid: number } | { errno: number } {
    const errno = this.spawnErrnos.shift() ?? 0;
    if (errno < 0) throw new Error('spawn threw');
    if (errno !== 0) {
      this.journal.push(`spawn fails ${errno}`);
      return { errno };
    }
    const pid = this.#nextPid++;
    this.#processes.set(pid, { ...this.workerHabits, session: pid, isZombie: false });
    this.spawned.push(pid);
    this.generations.set(pid, generation);
    if (this.workerHabits.needsIdleStop) this.needIdleStop.add(pid);
    this.journal.push(`spawn ${pid}`);
    return { pid };
  }

  #deliver(pid: number, signal: string): void {
    const process = this.#processes.get(pid);
    if (!process || process.isZombie || process.isStuck || process.isForeign) return;
    if (signal !== 'SIGKILL' && process.ignoresTerm) return;
    if (pid !== process.session) {
      this.#processes.delete(pid);
      return;
    }
    process.isZombie = true;
    this.#deaths.push({ pid, exit: { kind: 'signaled', signal: signal === 'SIGKILL' ? 9 : 15 } });
  }

  #leftovers(leaders: readonly number[]): interfaces.SessionMember[] {
    return [...this.#processes]
      .filter(([, { session }]) => leaders.includes(session) && !this.#processes.has(session))
      .map(([pid, { session }]) => ({ pid, leader: session }));
  }

  #note(pids: readonly number[], signal: string): void {
    if (pids.length > 0) this.journal.push(`${signal} ${pids.join(' ')}`);
  }
}
