// Whether somebody takes the connections: workers that accept, that have descriptors left, that are not all held, and a queue
// that is long enough.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { PoolStatus } from '../../../control/protocol.ts';
import { openFilesOf, tcpListenersOf } from '../../../sys/proc/process-look.ts';
import { judgeHealth } from '../../../control/health.ts';
import type { Check, Finding } from '../check.ts';
import * as words from '../describe.ts';
import { betweenLooksMs, lasting, looks } from '../lasting.ts';
import type { Patient } from '../patient.ts';

export const workerChecks: readonly Check[] = [
  { name: 'never-accepts', look: lookForAccept },
  { name: 'open-files', look: lookAtOpenFiles },
  { name: 'short-queue', look: lookAtQueue },
  { name: 'kept-connections', look: lookForKept },
  { name: 'saturated', look: lookForSaturation },
  { name: 'waiting', look: lookForWaiting },
  { name: 'not-serving', look: lookAtHealth },
];

function lookForAccept(patient: Patient): Finding | undefined {
  const { status } = patient;
  if (status?.phase !== 'serving' || status.serving !== 'no' || status.idle + status.busy === 0)
    return undefined;
  const pids = status.workers.flatMap((worker) => worker.pids);
  const others = pids.flatMap(ownListeners);
  return {
    says: `its workers run, and none of them accepts connections: the pool was up by age alone`,
    fix:
      others.length > 0
        ? `tell the program to serve FastCGI on descriptor 0 (standard input) instead of a socket of its own`
        : `the program must accept on descriptor 0 (standard input): see what it does by spawn-fcgictl try ${words.targetOf(patient)} --request /; --ready probe lets such a start fail`,
    evidence: [`${status.idle + status.busy} workers: PID ${pids.slice(0, 8).join(' ')}`, ...others],
  };
}

/** TCP sockets of its own that a worker listens on: those of an HTTP server, most often. */
function ownListeners(pid: number): string[] {
  const held = new Set(openFilesOf(pid).map(([, target]) => target));
  return tcpListenersOf(pid)
    .filter(({ inode }) => held.has(`socket:[${inode}]`))
    .map(({ address }) => `PID ${pid} listens on ${address} itself`);
}

/** With so few left the next connection, or the file that it is about, fails. */
const fewDescriptors = 2;

function lookAtOpenFiles({ status }: Patient): Finding | undefined {
  for (const pid of status?.workers.flatMap((worker) => worker.pids) ?? []) {
    const limit = fileLimitOf(pid);
    const open = openFilesOf(pid).length;
    if (limit === undefined || open === 0 || open < limit - fewDescriptors) continue;
    return {
      says: `PID ${pid} has ${open} of ${limit} descriptors open: it can accept nobody any more`,
      fix: `a higher limit for the next start: --rlimit nofile=${Math.max(1024, limit * 4)}; if it grows for ever the program does not close what it opens`,
      evidence: [`/proc/${pid}/limits: Max open files ${limit}`],
    };
  }
  return undefined;
}

function fileLimitOf(pid: number): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** A backlog below it is too short for a busy moment. */
const shortBacklog = 64;

async function lookAtQueue(patient: Patient): Promise<Finding | undefined> {
  const status = await lasting(patient, ({ queue }) => isFull(queue) && (queue?.backlog ?? 0) < shortBacklog);
  if (!status?.queue) return undefined;
  const { length, backlog } = status.queue;
  return {
    says: `its queue is full (${length} wait, ${backlog} may): further connections are turned away`,
    fix: 'a longer queue: without -b it is 1024 (net.core.somaxconn at most)',
    evidence: [`${status.idle} idle, ${status.busy} busy`, ...overflows(patient), ...backlogOf(patient)],
  };
}

function isFull(queue: PoolStatus['queue']): boolean {
  return queue !== null && queue.length >= Math.max(queue.backlog, 1);
}

/** Of all TCP sockets of the machine. */
function overflows({ address }: Patient): string[] {
  if (address?.kind !== 'tcp') return [];
  const [names = [], values = []] = readText('/proc/net/netstat')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const count = values[names.indexOf('ListenOverflows')];
  return count === undefined || count === '0'
    ? []
    : [`ListenOverflows of /proc/net/netstat: ${count} connections since boot, of all sockets`];
}

function backlogOf({ status }: Patient): string[] {
  const most = readText('/proc/sys/net/core/somaxconn').trim();
  return status && most !== '' ? [`net.core.somaxconn is ${most}`] : [];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

const isSaturated = ({ idle, busy, queue }: PoolStatus): boolean =>
  idle === 0 && busy > 0 && queue !== null && queue.length > 0;

async function lookForKept(patient: Patient): Promise<Finding | undefined> {
  const status = await lasting(patient, (one) => isSaturated(one) && (one.kept ?? 0) > 0);
  if (!status) return undefined;
  const { kept = 0, busy, queue } = status;
  const keepers = new Set(patient.passes.map(({ server }) => server.kind));
  return {
    says: `${kept} of ${busy} held by kept connections, ${queue?.length ?? 0} waiting: clients keep connections open between requests, and each holds a worker`,
    fix: `no more kept connections than workers: take fastcgi_keep_conn or keepalive out of nginx, enablereuse out of Apache, write option http-server-close for HAProxy; now: spawn-fcgictl scale ${words.targetOf(patient)} +${kept}`,
    evidence: [...describeLoad(status), ...[...keepers].map((kind) => `${kind} passes requests to it`)],
  };
}

async function lookForSaturation(patient: Patient): Promise<Finding | undefined> {
  const status = await lasting(patient, isSaturated);
  if (!status?.queue) return undefined;
  const { busy, queue } = status;
  const more = Math.max(1, Math.min(queue.length, busy));
  const full = isFull(queue) ? ', the queue is full and further connections are turned away' : '';
  return {
    says: `saturated: all ${busy} workers are busy, ${queue.length} connections wait${full}`,
    fix: `more workers: spawn-fcgictl scale ${words.targetOf(patient)} +${more}, and -F ${status.wanted + more} for the next start; where all wait for one thing (a database, a lock) see to that`,
    evidence: [...describeLoad(status), ...overflows(patient)],
  };
}

function describeLoad({ idle, busy, kept = 0, queue, workers }: PoolStatus): string[] {
  const pids = workers.filter(({ state }) => state === 'running').flatMap(({ pid }) => pid ?? []);
  const waiting = queue ? `, ${queue.length} of ${queue.backlog} waiting` : '';
  return [
    `${idle} idle, ${busy} busy, of which ${kept} kept${waiting}`,
    `workers: PID ${pids.slice(0, 8).join(' ')}`,
  ];
}

/** Of servers that no supervisor of ours tells of: php-fpm, a program with its own socket, a pool of another user. */
async function lookForWaiting(patient: Patient): Promise<Finding | undefined> {
  const { address, status } = patient;
  if (!address || status) return undefined;
  let found = patient.listeners.find(({ queue }) => (queue?.length ?? 0) > 0);
  for (let look = 1; found && look < looks; look++) {
    await pause(betweenLooksMs);
    const { inode } = found;
    found = patient
      .listenersOnOther(address)
      .find((one) => one.inode === inode && (one.queue?.length ?? 0) > 0);
  }
  if (!found?.queue) return undefined;
  const { length, backlog } = found.queue;
  return {
    says: `${length} connections wait to be accepted (${backlog} may): whoever listens there is busy, or hangs`,
    fix: 'give it more workers, or see what its processes wait for; spawn-fcgictl request shows how long one request takes',
    evidence: [...words.describeListeners([found]), ...overflows(patient)],
  };
}

function lookAtHealth(patient: Patient): Finding | undefined {
  const { status, pool } = patient;
  if (!status || !pool) return undefined;
  const { kind, text } = judgeHealth(status);
  if (kind !== 'not-serving') return undefined;
  // What the supervisor cannot see of its socket's file we have seen ourselves.
  if (status.phase === 'serving' && status.socketFile !== 'ours' && status.socketFile !== null)
    return undefined;
  return {
    says: text,
    fix: `see what its supervisor has said: spawn-fcgictl logs ${words.targetOf(patient)}`,
    evidence: [`phase ${status.phase}, ${status.idle + status.busy} of ${status.wanted} workers run`],
  };
}
