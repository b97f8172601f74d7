// What is said of a pool whose supervisor was killed: to people, and as JSON. Pure.
import type { PoolStatus, WorkerStatus } from '../../control/protocol.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { placeOfEvents } from '../logs/log-places.ts';
import { describeEntry, type DeadPool, type Orphan } from '../target/pools.ts';
import { printable } from '../../core/text/printable.ts';
import { lineOf, renderLines, type Line } from '../print/line.ts';
import { left, right, tableLines, usualColumns } from '../print/table.ts';
import { describeBytes, describeDuration } from '../../core/text/amount-text.ts';
import type { WorkerUsage } from './status-table.ts';
import { ctlStatus } from '../statuses.ts';

export type MeasuredOrphan = Orphan & WorkerUsage & { readonly uptimeMs: number | null };
export type MeasuredDeadPool = DeadPool & { readonly measured: readonly MeasuredOrphan[] };

/** The sentence for all who ask it something. */
export function describeDeath({ state, orphans }: DeadPool): string {
  const serving = orphans.filter(isServing);
  const pids = serving.map(({ pid }) => pid).join(' ');
  const who =
    serving.length === 1
      ? `its worker serves on (PID ${pids})`
      : `${serving.length} workers serve on (PID ${pids})`;
  return `dead: ${printable(state.name)} on ${printable(state.address)}: its supervisor (PID ${state.pid}) was killed; ${who}`;
}

/** What nobody but a supervisor could do, and the way out. */
export function refuseDead(pool: DeadPool, command: string): SpawnFcgiError {
  return new SpawnFcgiError(
    `${describeEntry(pool)}: no supervisor to ${command} it; start it again with its command (the next plain start takes its workers over), or end it: spawn-fcgictl stop ${printable(pool.state.address)}`,
    { exitCode: ctlStatus.noSuchPool },
  );
}

/** A spare is stopped, and serves nobody. */
export function isServing({ slot }: Orphan): boolean {
  return slot !== undefined;
}

const columns = [
  right<MeasuredOrphan>('SLOT', ({ slot }) => (slot === undefined ? 'spare' : String(slot))),
  right<MeasuredOrphan>('PID', ({ pid }) => String(pid)),
  right<MeasuredOrphan>('UP', ({ uptimeMs }) => (uptimeMs === null ? '-' : describeDuration(uptimeMs))),
  right<MeasuredOrphan>('RSS', ({ rssBytes }) => (rssBytes === null ? '-' : describeBytes(rssBytes))),
  right<MeasuredOrphan>('CPU%', ({ cpuPercent }) => (cpuPercent === null ? '-' : cpuPercent.toFixed(1))),
  left<MeasuredOrphan>(
    'STATE',
    () => 'orphan',
    () => 'yellow',
  ),
];

export function formatDeadPool(pool: MeasuredDeadPool, isColoured = false): string {
  return renderLines(deadPoolLines(pool, usualColumns), isColoured);
}

export function deadPoolLines({ state, measured }: MeasuredDeadPool, lineColumns: number): Line[] {
  const serving = measured.filter(isServing).length;
  const who = serving === 1 ? 'worker serves' : 'workers serve';
  return [
    [
      { text: `${printable(state.name)} on ${printable(state.address)}: ` },
      { text: 'dead', colour: 'red' },
      { text: `, supervisor PID ${state.pid} was killed, ${serving} ${who} on` },
    ],
    lineOf('  the next start on the address takes it over; spawn-fcgictl stop ends it'),
    ...tableLines(columns, measured, lineColumns),
  ];
}

/** The fields that the protocol has, all of them: null is what only a supervisor would know. */
type Unsupervised<Status, Told extends keyof Status> = {
  readonly [K in Exclude<keyof Status, Told>]-?: Status[K] | null;
};
type DeadWorker = Unsupervised<WorkerStatus, 'state'> & { readonly state: 'orphan' } & WorkerUsage;
interface DeadPoolStatus extends Unsupervised<PoolStatus, 'phase' | 'workers'> {
  readonly phase: 'dead';
  readonly workers: readonly DeadWorker[];
}

/** As JSON it has the fields of a living pool. */
export function deadPoolJson({ state, measured }: MeasuredDeadPool): DeadPoolStatus {
  return {
    name: state.name,
    address: state.address,
    pid: state.pid,
    version: null,
    phase: 'dead',
    generation: null,
    uptimeMs: null,
    wanted: null,
    idle: null,
    busy: null,
    kept: null,
    serving: 'unknown',
    backoff: null,
    queue: null,
    socketFile: null,
    unreachable: null,
    given: state.given ?? null,
    operation: null,
    lastReload: null,
    command: null,
    pidFile: state.pidFile ?? null,
    stopTimeoutMs: state.stopTimeoutMs,
    // Among the orphans.
    socketHolders: [],
    log: placeOfEvents(state) ?? null,
    spares: null,
    output: null,
    scaling: null,
    replaced: null,
    counts: null,
    statusSocket: null,
    peaks: null,
    slowRequests: null,
    stuckRequests: null,
    workers: measured.map(deadWorkerJson),
  };
}

function deadWorkerJson(orphan: MeasuredOrphan): DeadWorker {
  const { slot = null, pid, pids, uptimeMs, rssBytes, cpuPercent } = orphan;
  return {
    slot,
    pid,
    generation: null,
    state: 'orphan',
    uptimeMs,
    activity: 'unknown',
    restarts: null,
    lastExit: null,
    nextTryMs: null,
    pids,
    requestAgeMs: null,
    replaced: null,
    rssBytes,
    cpuPercent,
  };
}
