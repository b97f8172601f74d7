// The one line that each event of a pool becomes for people.
import { describeBytes, describeMs, describeSpan, plural } from './amount-text.ts';
import { describeEnd, describeNext, describeSpawnFailure } from './end-text.ts';
import type { EventOf, PoolEvent } from './pool-event.ts';
import { printable } from './printable.ts';
import { describeSlow, describeStuck } from './request-text.ts';
import { andLeft, describeReload } from './reload-text.ts';

/** The event as one line for people, without time, program or PID; control characters are written as `\\xNN`. */
export function describeEvent(event: PoolEvent): string {
  return printable(describe(event));
}

const texts: { readonly [K in PoolEvent['event']]: (event: EventOf<K>) => string } = {
  'pool-up': (event) => `pool up on ${event.address} with ${plural(event.workers, 'worker')}`,
  'worker-started': (event) => `worker ${event.slot} started: PID ${event.workerPid}`,
  'worker-ended': (event) =>
    `worker ${event.slot} (PID ${event.workerPid}) ${describeEnd(event.end, event.signalName)} after ${describeMs(event.uptimeMs)}${event.class === 'stuck' ? ', since its request was stuck' : ''}; ${describeNext(event.delayMs, event.successorPid)}`,
  'spare-ready': (event) => `spare PID ${event.workerPid} is ready, generation ${event.generation}`,
  'spare-taken': (event) => `spare PID ${event.workerPid} taken for worker ${event.slot}`,
  'spare-ended': describeSpare,
  'planned-exits': (event) =>
    `${plural(event.count, 'planned exit')} in the last ${describeSpan(event.withinMs)}`,
  'exec-failed': (event) =>
    `worker ${event.slot}: exec of '${event.path}' failed: ${event.error}; ${describeNext(event.delayMs)}`,
  'spawn-failed': (event) =>
    `worker ${event.slot}: ${describeSpawnFailure(event.errno, event.error)}; ${describeNext(event.delayMs)}`,
  'socket-held': describeHolder,
  'output-discarded': ({ slot, workerPid }) =>
    `what worker ${slot} (PID ${workerPid}) printed is discarded: --output FILE keeps what workers print`,
  'log-program-ended': describeLogProgram,
  'over-from-start': (event) =>
    `worker ${event.slot} (PID ${event.workerPid}) has ${describeBytes(event.bytes)} of memory from its start, --${event.guard} is ${describeBytes(event.limitBytes)}: workers of generation ${event.generation} are left alone`,
  'session-left': (event) =>
    `ending ${plural(event.pids.length, 'process', 'processes')} left of worker PID ${event.session}: ${event.pids.join(' ')}`,
  'change-asked': ({ command, uid, clientPid }) =>
    `${command} asked for by ${uid === undefined ? 'an unknown user' : `uid ${uid} (PID ${clientPid})`}`,
  stopping: (event) => `stopping: ${event.reason}`,
  killed: (event) => `killed PID ${event.pids.join(' ')}: ${event.reason}`,
  'request-cut': describeCut,
  'request-slow': describeSlow,
  'request-stuck': describeStuck,
  stopped: () => 'stopped',
  'reload-started': (event) => `reload started: generation ${event.generation}`,
  'worker-replaced': (event) =>
    `worker ${event.slot} is PID ${event.workerPid} now, generation ${event.generation}${describeReason(event)}`,
  'replacement-failed': (event) =>
    `worker ${event.slot} (PID ${event.workerPid}) is not replaced (${event.reason}): ${event.error}; it serves on, next attempt in ${describeSpan(event.delayMs)}`,
  'reload-finished': describeReload,
  'restart-started': (event) => `restart started: generation ${event.generation}`,
  'restart-finished': (event) =>
    event.isUp
      ? `restart finished: generation ${event.generation}${andLeft(event.left)}`
      : `restart finished, but not every worker of generation ${event.generation} came up${andLeft(event.left)}`,
  'handover-started': (event) => `handing the pool over to PID ${event.to}`,
  'handover-failed': (event) => `handover failed, this supervisor goes on: ${event.reason}`,
  'handed-over': (event) => `handed over to PID ${event.to}, ending the workers of this supervisor`,
  'taken-over': describeTakeOver,
  scaled: ({ workers, from, reason }) =>
    reason === undefined
      ? `scaled to ${plural(workers, 'worker')}`
      : `scaled from ${from} to ${plural(workers, 'worker')}: ${reason}`,
  'workers-exhausted': ({ workers, queued }) =>
    `all ${plural(workers, 'worker')} are at work${queued === undefined ? '' : `, ${plural(queued, 'connection')} wait`}, and --workers allows no more`,
  'start-limit-reached': (event) =>
    `--start-limit reached: ${plural(event.count, 'crash or failed start', 'crashes or failed starts')} within ${describeMs(event.withinMs)}`,
  'signal-ignored': (event) => `${event.signal} ignored`,
  'logs-reopened': () => 'logs reopened',
  'socket-renewed': (event) =>
    event.was === 'unreachable'
      ? `nobody could reach the socket on ${event.address}: bound anew`
      : `the socket file ${event.address} was ${event.was === 'gone' ? 'removed' : 'replaced'}: bound anew`,
  warning: (event) => event.message,
};

function describe(event: PoolEvent): string {
  // Each row takes the event that it is named after.
  const text = texts[event.event] as (event: PoolEvent) => string;
  return text(event);
}

function describeReason({ formerPid, reason }: EventOf<'worker-replaced'>): string {
  return reason === undefined ? '' : `, in the place of PID ${formerPid}: ${reason}`;
}

function describeHolder({ holder, name, slot }: EventOf<'socket-held'>): string {
  const whose = slot === undefined ? 'its worker' : `worker ${slot}`;
  return `PID ${holder} (${name}) has left the session of ${whose} and keeps the listening socket: it answers requests, too, until the pool stops or its generation is replaced`;
}

/** From outside a connection that is kept open between requests looks like one in the middle of a request. */
function describeCut(event: EventOf<'request-cut'>): string {
  const { slot, workerPid, connections, ageMs, reason } = event;
  const who = slot === undefined ? `worker PID ${workerPid}` : `worker ${slot} (PID ${workerPid})`;
  const what =
    connections === 1
      ? `a request, or a connection kept open, at least ${describeMs(ageMs)} old`
      : `${connections} requests, or connections kept open, the oldest at least ${describeMs(ageMs)} old`;
  return `${who}: cut ${what}: ${reason}`;
}

function describeLogProgram(event: EventOf<'log-program-ended'>): string {
  const { logPid, end, error, signalName, uptimeMs, delayMs } = event;
  const next = describeNext(delayMs);
  if (end.kind === 'not-executed') return `the log program could not be started: ${error}; ${next}`;
  return `the log program (PID ${logPid}) ${describeEnd(end, signalName)} after ${describeMs(uptimeMs)}; ${next}`;
}

function describeSpare(event: EventOf<'spare-ended'>): string {
  const { workerPid, end, error, signalName, uptimeMs, delayMs } = event;
  const next = describeNext(delayMs);
  if (end.kind === 'not-executed') return `a spare could not be started: ${error}; ${next}`;
  return `spare PID ${workerPid} ${describeEnd(end, signalName)} after ${describeMs(uptimeMs)}; ${next}`;
}

function describeTakeOver({ from, workerPids, unsupervised }: EventOf<'taken-over'>): string {
  const pids = workerPids.join(' ');
  if (unsupervised) return `took the socket over from workers without a supervisor; ending them: PID ${pids}`;
  const whom = from === 0 ? 'a supervisor that was killed' : `PID ${from}`;
  return `took the pool over from ${whom}; ending its workers: PID ${pids}`;
}
