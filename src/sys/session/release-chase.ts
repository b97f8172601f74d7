// A worker that always finds a next connection in the queue is idle for some microseconds between two of them: too short to
// be come upon. It is followed from system call to system call (ptrace(2)) until it has closed its connection, and stopped
// before it can do anything else.
import { constants } from 'node:os';
import { libc } from '../libc/libc.ts';
import { bearsInterruption, callOf, isReadCall } from '../proc/thread-call.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { TracedProcess, type TracedStop } from '../process/traced-process.ts';
import { clientOf, endsAnswer, hangUpInPause, isQuiet, sendInItsPlace, type Client } from './last-answer.ts';
import { takeLastRequest } from './last-request.ts';

const { SIGSTOP } = constants.signals;

/** The one connection of a worker. */
export interface ServedConnection {
  readonly descriptor: number;
  readonly inode: string;
  readonly isTcp: boolean;
}

interface Chase extends ServedConnection {
  readonly isOurChild: boolean;
  readonly traced: TracedProcess;
  readonly link: string;
  readonly target: string;
  askedAtMs: number;
  readonly client: Client;
  /** Since when it is known to be kept: the end of an answer was written, and it was not closed then. */
  keptSinceMs: number | undefined;
  /** The end of an answer was written, and nothing was read since. */
  isAnswered: boolean;
  /** What it does may be altered: a filter of its own (seccomp) would be asked about what takes the place of a call. */
  readonly mayAlter: boolean;
  /** It was last seen to stop, and how long it has gone from stop to stop, in this request. */
  stoppedAtMs: number;
  slowedMs: number;
}

/** For all of them together, at a time: there are others who want something of us. */
const stepMs = 4;
/** One that stays in a system call for longer is looked at another time. */
const restMs = 1;
/** The others have to wait: who is followed waits for us at each system call. */
const mostChases = 8;
/** A worker that nobody asks about for so long is let go. */
const forgottenMs = 100;
const watchdogMs = 20;
/** A request with many system calls takes twenty times as long while it is followed: for so long, and then it has a rest. */
const mostSlowedMs = 50;
const reliefMs = 50;
/** What is longer between two stops is its own doing. */
const longestSlowMs = 8;
const napUs = 50;
/** For so long a pause of a client is waited for that may use a connection again before it has heard of its end. */
const patienceMs = 1000;
/** How long a worker is waited for that is to stop, to be let go. */
const lettingGoMs = 20;
const WNOHANG = 1;

export class ReleaseChases {
  readonly #proc: ProcFs;
  readonly #chases = new Map<number, Chase>();
  /** Those that are to be let go, and have not stopped yet. */
  readonly #leaving = new Map<number, Chase>();
  /** The kept connection of each worker, as far as it was followed. */
  readonly #kept = new Map<number, { readonly inode: string; readonly sinceMs: number }>();
  /** Not to be followed again before that. */
  readonly #reliefs = new Map<number, number>();
  #watchdog: NodeJS.Timeout | undefined;
  #mayTrace: boolean | undefined;

  constructor(proc: ProcFs) {
    this.#proc = proc;
  }

  has(leader: number): boolean {
    return this.#chases.has(leader);
  }

  /** Whether whoever is followed can be made to end a kept connection without losing a request of its client. */
  get endsConnections(): boolean {
    this.#mayTrace ??= isUnfiltered(this.#proc);
    return this.#mayTrace && TracedProcess.mayAlter;
  }

  /**
   * The worker is proven to be the one that is meant. False: it cannot be followed, or is in a system call that does not
   * bear to be interrupted.
   */
  begin(leader: number, served: ServedConnection, isOurChild: boolean): boolean {
    const nowMs = performance.now();
    if (this.#leaving.has(leader) || this.#chases.size >= mostChases) return false;
    if ((this.#reliefs.get(leader) ?? 0) > nowMs) return false;
    this.#mayTrace ??= isUnfiltered(this.#proc);
    if (!this.#mayTrace || !mayInterrupt(this.#proc, leader)) return false;
    const traced = TracedProcess.seize(leader);
    if (!traced) return false;
    traced.interrupt();
    const [link, target] = [`${leader}/fd/${served.descriptor}`, `socket:[${served.inode}]`];
    const known = this.#kept.get(leader);
    const keptSinceMs = known?.inode === served.inode ? known.sinceMs : undefined;
    const client = clientOf(this.#proc, leader, served);
    const mayAlter = TracedProcess.mayAlter && isUnfiltered(this.#proc, leader);
    const rest = {
      isOurChild,
      client,
      keptSinceMs,
      isAnswered: false,
      askedAtMs: nowMs,
      stoppedAtMs: nowMs,
      slowedMs: 0,
      mayAlter,
    };
    this.#chases.set(leader, { ...served, ...rest, traced, link, target });
    this.#watchdog ??= setInterval(() => this.#watch(), watchdogMs);
    return true;
  }

  /**
   * Lets the worker go on for a few milliseconds. `released`: it has closed its connection, is not followed any more, and
   * has a SIGSTOP that it stops on before it does anything else. `lost`: it is not followed any more.
   */
  follow(leader: number): 'serving' | 'released' | 'lost' {
    const chase = this.#chases.get(leader);
    if (!chase) return 'lost';
    const endMs = performance.now() + stepMs / this.#chases.size;
    let movedAtMs = performance.now();
    for (let nowMs = movedAtMs; nowMs < endMs && nowMs - movedAtMs < restMs; nowMs = performance.now()) {
      const stop = chase.traced.stop();
      if (stop) {
        noteStop(chase, nowMs);
        const stage = this.#step(leader, chase, stop);
        if (stage !== 'serving') return stage;
        movedAtMs = nowMs;
      }
      // SIGCHLD ends the nap.
      else libc.usleep(napUs);
    }
    chase.askedAtMs = performance.now();
    return 'serving';
  }

  /** Whatever it is at, it goes on unseen. */
  letGo(leader: number): void {
    const chase = this.#chases.get(leader);
    if (!chase) return;
    this.#chases.delete(leader);
    chase.traced.interrupt();
    const untilMs = performance.now() + lettingGoMs;
    while (!letGoWhereStopped(chase)) {
      if (performance.now() > untilMs) return void this.#leaving.set(leader, chase);
      libc.usleep(napUs);
    }
  }

  /** The worker has ended. */
  forget(leader: number): void {
    const chase = this.#chases.get(leader) ?? this.#leaving.get(leader);
    if (chase) reapTraced(leader, chase);
    this.#chases.delete(leader);
    this.#leaving.delete(leader);
    this.#reliefs.delete(leader);
    this.#kept.delete(leader);
  }

  #step(leader: number, chase: Chase, stop: TracedStop): 'serving' | 'released' | 'lost' {
    const { traced } = chase;
    const isServing = this.#proc.readLink(chase.link) === chase.target;
    if (!isServing) libc.kill(leader, SIGSTOP);
    const signal = stop.kind === 'signal' ? stop.signal : 0;
    const isSlowed = chase.slowedMs > mostSlowedMs;
    const isFollowed = isServing && !isSlowed && stop.kind !== 'halted' && !waitsForClient(leader, chase);
    const { inode, keptSinceMs } = chase;
    if (keptSinceMs !== undefined) this.#kept.set(leader, { inode, sinceMs: keptSinceMs });
    if (isFollowed && traced.goOn(signal)) return 'serving';
    if (isSlowed) this.#reliefs.set(leader, performance.now() + reliefMs);
    this.#chases.delete(leader);
    if (!traced.letGo(signal)) reapTraced(leader, chase);
    return isServing ? 'lost' : 'released';
  }

  #watch(): void {
    for (const [leader, { askedAtMs }] of this.#chases) {
      if (performance.now() - askedAtMs > forgottenMs) this.letGo(leader);
    }
    for (const [leader, chase] of this.#leaving) if (letGoWhereStopped(chase)) this.#leaving.delete(leader);
    if (this.#chases.size + this.#leaving.size > 0) return;
    clearInterval(this.#watchdog);
    this.#watchdog = undefined;
  }
}

/**
 * Whether it is to be followed no further, since it is about to wait for its client, on a kept connection or for the rest
 * of a body. Where it ends an answer on a kept connection, that is ended as well.
 */
function waitsForClient(pid: number, chase: Chase): boolean {
  const { traced } = chase;
  const call = traced.nextCall();
  if (!call || Number(call.values[0]) !== chase.descriptor) return false;
  if (isReadCall(call.number)) return waitsInVain(pid, chase);
  if (!chase.mayAlter || !endsAnswer(pid, call)) return false;
  const nowMs = performance.now();
  const mayEnd = chase.keptSinceMs !== undefined && (isTold(chase) || nowMs - chase.keptSinceMs > patienceMs);
  if (mayEnd) sendInItsPlace(pid, chase, chase.client, traced, call);
  chase.keptSinceMs ??= nowMs;
  chase.isAnswered = true;
  chase.slowedMs = 0;
  return false;
}

function noteStop(chase: Chase, nowMs: number): void {
  chase.slowedMs += Math.min(nowMs - chase.stoppedAtMs, longestSlowMs);
  chase.stoppedAtMs = nowMs;
}

/** Its client learns of the end of an answer and of the connection in the same breath. */
function isTold({ client }: Chase): boolean {
  return client === 'tcp' || client === 'nginx';
}

function waitsInVain(pid: number, chase: Chase): boolean {
  const { descriptor, inode, isAnswered } = chase;
  const gap = { pid, descriptor, inode };
  chase.isAnswered = false;
  if (!chase.mayAlter) return takeLastRequest(gap) !== 'something-else';
  if (isTold(chase) || !isAnswered) return isQuiet(pid, gap);
  hangUpInPause(pid, gap);
  return false;
}

/** The kernel keeps one that has ended from its parent until who traces it has heard of that (ptrace(2)). */
function reapTraced(pid: number, { isOurChild }: Chase): void {
  if (!isOurChild) libc.waitpid(pid, null, WNOHANG);
}

function letGoWhereStopped({ traced }: Chase): boolean {
  const stop = traced.stop();
  return stop !== undefined && traced.letGo(stop.kind === 'signal' ? stop.signal : 0);
}

/** A filter of system calls (seccomp) may end who calls ptrace(2), and does not tell before. */
function isUnfiltered(proc: ProcFs, who: number | 'self' = 'self'): boolean {
  return /^Seccomp:\s*0$/m.test(proc.readText(`${who}/status`) ?? '');
}

/** Its one thread runs, or is in a system call that goes on by itself when it was interrupted. */
function mayInterrupt(proc: ProcFs, pid: number): boolean {
  return proc.list(`${pid}/task`).length === 1 && bearsInterruption(callOf(proc, pid, String(pid)));
}
