// Supervisor events: what happened, as data, and the one line each becomes.
import { forkLimit } from '../errors.ts';
import { printable } from './printable.ts';
import { describeLeft, type LeftProcess } from './left-process.ts';
import type { EndClass } from '../pool/restart-policy.ts';
import type { ReloadResult } from '../operations/rollout.ts';
import type { WorkerEnd, WorkerExit } from '../worker-exit.ts';

export type PoolEvent =
  | { readonly event: 'pool-up'; readonly address: string; readonly workers: number }
  | { readonly event: 'worker-started'; readonly slot: number; readonly workerPid: number }
  | {
      readonly event: 'worker-ended';
      readonly slot: number;
      readonly workerPid: number;
      readonly end: WorkerEnd;
      readonly signalName?: string | undefined;
      readonly uptimeMs: number;
      readonly class: EndClass;
      readonly delayMs: number | undefined;
      /** Who has the slot already. */
      readonly successorPid?: number | undefined;
    }
  /** Planned exits that were not written one by one. */
  | { readonly event: 'planned-exits'; readonly count: number; readonly withinMs: number }
  | {
      readonly event: 'exec-failed';
      readonly slot: number;
      readonly path: string;
      readonly errno: number;
      readonly error: string;
      readonly delayMs: number | undefined;
    }
  /** There was no process to execute the program in. */
  | {
      readonly event: 'spawn-failed';
      readonly slot: number;
      readonly errno: number;
      readonly error: string;
      readonly delayMs: number | undefined;
    }
  /** A process that has left the session of its worker holds the listening socket. */
  | {
      readonly event: 'socket-held';
      readonly holder: number;
      readonly name: string;
      /** Of the worker that it descends from, while that lives. */
      readonly slot?: number | undefined;
    }
  | { readonly event: 'session-left'; readonly session: number; readonly pids: readonly number[] }
  | { readonly event: 'stopping'; readonly reason: string }
  | { readonly event: 'killed'; readonly reason: string; readonly pids: readonly number[] }
  /** A worker was ended before its time although it was at work: connections it held, and since when at least. */
  | {
      readonly event: 'request-cut';
      readonly slot: number | undefined;
      readonly workerPid: number;
      readonly connections: number;
      readonly ageMs: number;
      readonly reason: string;
    }
  | { readonly event: 'stopped' }
  | { readonly event: 'reload-started'; readonly generation: number }
  | {
      readonly event: 'worker-replaced';
      readonly slot: number;
      readonly workerPid: number;
      readonly generation: number;
    }
  | {
      readonly event: 'reload-finished';
      readonly result: ReloadResult;
      /** The one that was tried. */
      readonly generation: number;
      /** The one that new workers are of from now on. */
      readonly serving: number;
      readonly reason?: string;
      /** What the program said last on its trial. */
      readonly words?: readonly string[];
      /** What could not be ended. */
      readonly left?: readonly LeftProcess[];
    }
  | { readonly event: 'restart-started'; readonly generation: number }
  | {
      readonly event: 'restart-finished';
      readonly generation: number;
      readonly isUp: boolean;
      readonly left?: readonly LeftProcess[];
    }
  | { readonly event: 'scaled'; readonly workers: number }
  | { readonly event: 'handover-started'; readonly to: number }
  | { readonly event: 'handover-failed'; readonly reason: string }
  | { readonly event: 'handed-over'; readonly to: number }
  | { readonly event: 'taken-over'; readonly from: number; readonly workerPids: readonly number[] }
  | { readonly event: 'start-limit-reached'; readonly count: number; readonly withinMs: number }
  | { readonly event: 'signal-ignored'; readonly signal: string }
  | { readonly event: 'logs-reopened' }
  | {
      readonly event: 'socket-renewed';
      readonly address: string;
      readonly was: 'gone' | 'replaced' | 'unreachable';
    }
  | { readonly event: 'warning'; readonly message: string };

/** How urgent an event is, in syslog's words. */
export type Severity = 'err' | 'warning' | 'notice' | 'info';

export function severityOf(event: PoolEvent): Severity {
  switch (event.event) {
    case 'exec-failed':
    case 'spawn-failed':
    case 'start-limit-reached':
      return 'err';
    case 'worker-ended':
      return event.class === 'planned' ? 'info' : 'warning';
    case 'session-left':
    case 'socket-held':
    case 'socket-renewed':
    case 'killed':
    case 'request-cut':
    case 'handover-failed':
    case 'warning':
      return 'warning';
    case 'reload-finished':
      return event.result === 'reloaded' ? 'notice' : 'err';
    case 'restart-finished':
      return event.isUp && !event.left ? 'notice' : 'err';
    case 'planned-exits':
    case 'worker-started':
    case 'worker-replaced':
      return 'info';
    default:
      return 'notice';
  }
}

/** The event as one line for people, without time, program or PID; control characters are written as `\\xNN`. */
export function describeEvent(event: PoolEvent): string {
  return printable(describe(event));
}

function describe(event: PoolEvent): string {
  switch (event.event) {
    case 'pool-up':
      return `pool up on ${event.address} with ${plural(event.workers, 'worker')}`;
    case 'worker-started':
      return `worker ${event.slot} started: PID ${event.workerPid}`;
    case 'worker-ended':
      return `worker ${event.slot} (PID ${event.workerPid}) ${describeEnd(event.end, event.signalName)} after ${describeMs(event.uptimeMs)}; ${describeNext(event.delayMs, event.successorPid)}`;
    case 'planned-exits':
      return `${plural(event.count, 'planned exit')} in the last ${describeSpan(event.withinMs)}`;
    case 'exec-failed':
      return `worker ${event.slot}: exec of '${event.path}' failed: ${event.error}; ${describeNext(event.delayMs)}`;
    case 'spawn-failed':
      return `worker ${event.slot}: ${describeSpawnFailure(event.errno, event.error)}; ${describeNext(event.delayMs)}`;
    case 'socket-held':
      return describeHolder(event);
    case 'session-left':
      return `ending ${plural(event.pids.length, 'process', 'processes')} left of worker PID ${event.session}: ${event.pids.join(' ')}`;
    case 'stopping':
      return `stopping: ${event.reason}`;
    case 'killed':
      return `killed PID ${event.pids.join(' ')}: ${event.reason}`;
    case 'request-cut':
      return describeCut(event);
    case 'stopped':
      return 'stopped';
    case 'reload-started':
      return `reload started: generation ${event.generation}`;
    case 'worker-replaced':
      return `worker ${event.slot} is PID ${event.workerPid} now, generation ${event.generation}`;
    case 'reload-finished':
      return describeReload(event);
    case 'restart-started':
      return `restart started: generation ${event.generation}`;
    case 'restart-finished':
      return event.isUp
        ? `restart finished: generation ${event.generation}${andLeft(event.left)}`
        : `restart finished, but not every worker of generation ${event.generation} came up${andLeft(event.left)}`;
    case 'handover-started':
      return `handing the pool over to PID ${event.to}`;
    case 'handover-failed':
      return `handover failed, this supervisor goes on: ${event.reason}`;
    case 'handed-over':
      return `handed over to PID ${event.to}, ending the workers of this supervisor`;
    case 'taken-over':
      return describeTakeOver(event.from, event.workerPids);
    case 'scaled':
      return `scaled to ${plural(event.workers, 'worker')}`;
    case 'start-limit-reached':
      return `--start-limit reached: ${plural(event.count, 'crash or failed start', 'crashes or failed starts')} within ${describeMs(event.withinMs)}`;
    case 'signal-ignored':
      return `${event.signal} ignored`;
    case 'logs-reopened':
      return 'logs reopened';
    case 'socket-renewed':
      return event.was === 'unreachable'
        ? `nobody could reach the socket on ${event.address}: bound anew`
        : `the socket file ${event.address} was ${event.was === 'gone' ? 'removed' : 'replaced'}: bound anew`;
    case 'warning':
      return event.message;
  }
}

function describeHolder({ holder, name, slot }: Extract<PoolEvent, { event: 'socket-held' }>): string {
  const whose = slot === undefined ? 'its worker' : `worker ${slot}`;
  return `PID ${holder} (${name}) has left the session of ${whose} and keeps the listening socket: it answers requests, too, until the pool stops or its generation is replaced`;
}

/** From outside a connection that is kept open between requests looks like one in the middle of a request. */
function describeCut(event: Extract<PoolEvent, { event: 'request-cut' }>): string {
  const { slot, workerPid, connections, ageMs, reason } = event;
  const who = slot === undefined ? `worker PID ${workerPid}` : `worker ${slot} (PID ${workerPid})`;
  const what =
    connections === 1
      ? `a request, or a connection kept open, at least ${describeMs(ageMs)} old`
      : `${connections} requests, or connections kept open, the oldest at least ${describeMs(ageMs)} old`;
  return `${who}: cut ${what}: ${reason}`;
}

/** Why no process could be started, and where the limit is. */
export function describeSpawnFailure(errno: number, error: string): string {
  return `cannot start a worker: ${error} (${forkLimit(errno)})`;
}

/** Processes of another user, by a set-user-ID bit, that a supervisor without privileges cannot end. */
export function describeRefused(pids: readonly number[], what: 'a worker' | 'left of a worker'): string {
  return `may not end PID ${pids.join(' ')}, ${what}: Operation not permitted`;
}

function describeTakeOver(from: number, workerPids: readonly number[]): string {
  const whom = from === 0 ? 'a supervisor that was killed' : `PID ${from}`;
  return `took the pool over from ${whom}; ending its workers: PID ${workerPids.join(' ')}`;
}

function describeReload(event: Extract<PoolEvent, { event: 'reload-finished' }>): string {
  const { result, generation, words = [] } = event;
  if (result === 'reloaded') return `reload finished (generation ${generation})`;
  const said = words.length > 0 ? `; it said: ${words.join(' | ')}` : '';
  return `${describeFailedReload({ ...event, result })}${said}`;
}

/** What failed, and what is in service instead. */
export function describeFailedReload({
  result,
  generation,
  serving,
  reason = '',
  left = [],
}: {
  readonly result: Exclude<ReloadResult, 'reloaded'>;
  readonly generation: number;
  readonly serving: number;
  readonly reason?: string;
  readonly left?: readonly LeftProcess[];
}): string {
  const why = `${reason === '' ? '' : `: ${reason}`}${andLeft(left)}`;
  const old = `the old workers (generation ${serving}) are in service`;
  switch (result) {
    case 'rolled-back':
      return `reload to generation ${generation} failed, ${old}${why}`;
    case 'timed-out':
      return `reload to generation ${generation} timed out, ${old}${why}`;
    case 'partly':
      if (reason === '')
        return `reloaded to generation ${generation}, but not all old workers have ended${why}`;
      return `reload to generation ${generation} failed, and the old program is gone too: old and new workers are in service${why}`;
  }
}

function andLeft(left: readonly LeftProcess[] = []): string {
  return left.length > 0 ? `; ${describeLeft(left)}` : '';
}

function describeEnd(end: WorkerEnd, signalName: string | undefined): string {
  if (end.kind === 'not-executed') return 'could not be executed';
  return describeChildEnd(end, () => signalName);
}

/** How a process ended, for people: `exited with 3`, `was killed by SIGKILL`. */
export function describeChildEnd(
  end: WorkerExit,
  signalName: (signal: number) => string | undefined,
): string {
  return end.kind === 'exited'
    ? `exited with ${end.status}`
    : `was killed by ${signalName(end.signal) ?? `signal ${end.signal}`}`;
}

function describeNext(delayMs: number | undefined, successorPid?: number): string {
  if (delayMs === undefined) return 'not restarted';
  if (successorPid !== undefined) return `restarted as PID ${successorPid}`;
  return delayMs === 0 ? 'restarting' : `restarting in ${describeMs(delayMs)}`;
}

function describeMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function describeSpan(ms: number): string {
  return Math.round(ms / 1000) === 60 ? 'minute' : describeMs(ms);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
