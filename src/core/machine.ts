// What the supervisor needs of the machine: small interfaces that src/sys implements and tests fake;
// src/run/pool-machine.ts joins them.
import type { PoolEvent } from './text/pool-event.ts';
import type { AdoptedWorker } from './pool/roster.ts';

export interface Clock {
  /** Monotonic time in milliseconds. */
  nowMs(): number;
  /** Runs once after the delay; the result cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

export interface Spawner {
  /**
   * Starts a worker of the generation for the slot: its PID, or the errno of fork or exec. The first one pins the
   * generation.
   */
  spawn(generation: number, slot: number): { readonly pid: number } | { readonly errno: number };
  /** The same of one that has no slot yet. */
  spawnSpare(generation: number): { readonly pid: number } | { readonly errno: number };
  /** The file that the generation executes, for messages. */
  pathOf(generation: number): string;
  /** Lets go of what belongs to other generations. */
  keepOnly(generations: readonly number[]): void;
}

export interface SessionMember {
  readonly pid: number;
  /** The worker that it was left by. */
  readonly leader: number;
  /** The kernel did not let us signal it: it runs as somebody else by a set-user-ID bit. */
  readonly isRefused?: boolean;
}

/** What a look at the sessions of dead workers has shown. */
export interface Leftovers {
  readonly members: readonly SessionMember[];
  /** Those of them that were signalled just now. */
  readonly signalled: readonly SessionMember[];
  /** False: somebody may be there who was not seen. */
  readonly isCertain: boolean;
}

export type EndSignal = 'SIGTERM' | 'SIGKILL';

/** `quietly`: whoever is busy is not followed to the end of its connection, which would slow a long request down. */
export type EndOfIdle = 'ask' | 'replace' | 'replace-quietly' | 'kill' | 'kill-quietly' | 'kill-waiting';

/**
 * `signalled`: it was idle and has the signal; `followed`: it is busy, and followed to the end of its connection, for which
 * the next look must come soon; `unknown`: its connections cannot be seen, or it may not be stopped.
 */
export type IdleVerdict = 'signalled' | 'busy' | 'followed' | 'unknown' | 'gone';

/** What a worker is at work on, as far as one can see from outside. */
export interface Request {
  /** Names the connection while it is open. */
  readonly connection: string;
  /** How long its client has been waiting at least, where the kernel tells. */
  readonly ageMs: number | undefined;
}

export interface Sessions {
  /** Signals every process of the sessions of these live workers; the result: those of the workers that refused it. */
  signalWorkers(leaders: readonly number[], signal: `SIG${string}`): readonly number[];
  /** TERM to those of their processes that do not simply die of it; the workers that had any. */
  askHandlers(leaders: readonly number[]): readonly number[];
  /** Whether one of these live workers holds an accepted connection. */
  isAnyBusy(leaders: readonly number[]): boolean;
  /** The accepted connections that each of these live workers holds. */
  requestsOf(leaders: readonly number[]): ReadonlyMap<number, readonly Request[]>;
  /** Whether the worker's program is known to finish its request on TERM. */
  finishesOnTerm(leader: number): boolean;
  /** Whether TERM would cut its request now: it waits for its client, and its program takes TERM for the end of that. */
  wouldCut(leader: number): boolean;
  /**
   * Ends those live workers that hold no accepted connection, while they are stopped: `ask` with
   * TERM; `replace` with TERM only where the program acts on it before it could accept again,
   * else with KILL; `kill`; `kill-waiting` only those that are seen to wait for the next connection.
   */
  endIdle(leaders: readonly number[], how: EndOfIdle): ReadonlyMap<number, IdleVerdict>;
  /**
   * Whether nothing can be left of a dead worker: the kernel gives its number to no process before that. To be asked
   * right after its end, before the others are asked about it.
   */
  isOver(leader: number): boolean;
  /**
   * Signals what is left of the sessions of these dead workers. TERM goes to nobody twice, nor to what one who had it has
   * started since: he may need that to end. A look that shows nobody, and is certain, is the last one that is needed.
   */
  signalLeftovers(leaders: readonly number[], signal: EndSignal): Leftovers;
  leftovers(leaders: readonly number[]): Leftovers;
}

/** Sessions of workers that are not our children; each call proves first who they are. */
export interface AdoptedSessions extends Sessions {
  adopt(worker: AdoptedWorker): void;
  isAlive(leader: number): boolean;
}

/** Live workers that stay stopped while they serve nobody: a stopped process accepts nothing. */
export interface HeldSessions {
  /** Stops the whole session if nobody in it holds an accepted connection: `signalled`; else it goes on. */
  hold(leader: number): IdleVerdict;
  /** Lets it go on. False: it has ended, or a signal that will end it has waited for that. */
  wake(leader: number): boolean;
  /** Whether somebody else has let it go on. */
  isReleased(leader: number): boolean;
}

/** Has left the session of its worker, and holds the listening socket: it answers requests, too. */
export interface SocketHolder extends AdoptedWorker {
  readonly session: number;
  /** Its program, as the kernel names it. */
  readonly name: string;
  /** The live worker that it descends from, where there is one. */
  readonly worker?: number | undefined;
}

export interface HolderLook {
  readonly holders: readonly SocketHolder[];
  /** False: somebody may be there who was not seen. */
  readonly isCertain: boolean;
}

/** Finds who descends from our workers and holds the socket outside their sessions, one for each session. */
export interface SocketHolders {
  /** Those that are nobody's child but ours, which is what is left when there is no worker. */
  amongOrphans(): HolderLook;
  /** Those that have a worker above them as well. */
  amongAll(): HolderLook;
  /** This process has the socket by right, with what is below it. */
  spare(pid: number): void;
}

/** What a stop has to end. */
export interface DoomedSessions {
  /** Leaders that are our unreaped children. */
  readonly own: readonly number[];
  readonly adopted: readonly AdoptedWorker[];
  /** Leaders that have ended, and have left members. */
  readonly ended: readonly number[];
}

/** Should the supervisor die while it stops the pool, the workers end with it, at once. */
export interface StopGuard {
  /** Once, when the pool begins to end. With an heir, a supervisor that ends them itself, only if that is gone too. */
  begin(sessions: DoomedSessions, heir: AdoptedWorker | undefined): void;
  /** More workers of another supervisor. */
  add(workers: readonly AdoptedWorker[]): void;
  /** One of them has ended; `isOver`: it has left nobody, and its number may be anybody's. */
  ended(leader: number, isOver: boolean): void;
  /** A child of ours has ended that does not run the program: it may be the guard, and somebody has killed it. */
  childEnded(pid: number): void;
  /** Nobody is left to be ended. */
  end(): void;
}

/** `yes`: it waits for connections on our socket, or serves one; `no`: it plainly does not; `unknown`: we may not look. */
export type Evidence = 'yes' | 'no' | 'unknown';

export interface Readiness {
  /** Whether it is dead already, though nobody told us yet. */
  hasEnded(pid: number): boolean;
  /** What the worker's session tells of it. */
  evidenceOf(pid: number): Evidence;
}

export interface EventLog {
  write(event: PoolEvent): void;
  /** Opens the log's file again by its path; throws when that fails and keeps the old one. */
  reopen(): void;
}

/** Files that tell others about workers: `--worker-pid-file` and the state file. */
export interface WorkerRecords {
  /** A worker of the slot; a candidate gets the slot's PID file only when it is promoted. */
  started(slot: number, pid: number, role: 'member' | 'candidate'): void;
  promoted(slot: number, pid: number): void;
  /** `slot` undefined: a spare that never had one. */
  ended(slot: number | undefined, pid: number): void;
  /** It has no slot yet; when it has one it is `started` there. */
  spareStarted(pid: number): void;
  /** A worker of another supervisor is gone. */
  adoptedEnded(pid: number): void;
}

/** Why a release is not tried on the pool; `isLate`: it was not up in time. */
export interface TrialRefusal {
  readonly reason: string;
  readonly isLate: boolean;
  /** What the worker said last, where its output would have been discarded. */
  readonly words?: readonly string[];
}

/** Tries one worker of a generation on a socket that nobody else can reach; on the roster it is a trial. */
export interface Trials {
  /**
   * Tells undefined when it came up and lived, else why not; the worker is gone by then. `looksWork`
   * says whether workers in service are seen waiting: only then not being seen means anything.
   */
  run(generation: number, looksWork: () => boolean, done: (refusal?: TrialRefusal) => void): void;
  /** Ends a trial that is under way; its `done` is not called any more. */
  cancel(): void;
}

/** What all workers share with the listening socket: O_NONBLOCK and backlog. */
export interface SharedSocket {
  /** The workers in service are up: their program has it as it wants it. */
  settle(): void;
  /** Something is about to change it: what the program in service has set until now counts. */
  look(): void;
  /** A worker ended, and may have cleared the flag under the others. */
  restore(): void;
  /** A new release failed, and may have set it under the old workers. */
  revert(): void;
  /** No worker is left: another program may follow. */
  reset(): void;
  /** How many connections wait to be accepted once nobody new is let in; undefined before, or where that cannot be. */
  queued(): number | undefined;
}

/** All of it, for the supervisor of one pool. */
export interface Machine {
  readonly clock: Clock;
  readonly spawner: Spawner;
  readonly sessions: Sessions;
  readonly adoptedSessions: AdoptedSessions;
  readonly heldSessions: HeldSessions;
  readonly socketHolders: SocketHolders;
  readonly readiness: Readiness;
  readonly trials: Trials;
  readonly sharedSocket: SharedSocket;
  readonly stopGuard: StopGuard;
  readonly log: EventLog;
  readonly records: WorkerRecords;
  readonly random: () => number;
  readonly describeErrno: (errno: number) => string;
  readonly signalName: (signal: number) => string | undefined;
  /** Whether the kernel lets us signal this process; it must be known to be the one that is meant. */
  readonly maySignal: (pid: number) => boolean;
  /** The processes of the session of this live worker, as far as one can see. */
  readonly membersOf: (leader: number) => readonly number[];
}
