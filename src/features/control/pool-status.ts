// What `spawn-fcgictl status` shows, put together from the supervisor's facts and
// one look at the machine.
import manifest from '../../../package.json' with { type: 'json' };
import type { PoolStatus, PoolSummary, SocketHolderStatus, WorkerStatus } from '../../control/protocol.ts';
import { livePid } from '../../core/pool/slot-state.ts';
import type { Config } from '../../core/config.ts';
import { describeEnd } from '../../supervisor/end-report.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { SessionFreezer } from '../../sys/session/session-freeze.ts';
import type { SessionScan } from '../../sys/session/session-scan.ts';
import { readinessOfAny } from '../../sys/proc/waiting.ts';
import type { FeatureList } from '../feature-list.ts';
import type { ReachCheck } from '../shared-socket/reach-check.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';

export interface StatusSource {
  readonly config: Config;
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly freezer: SessionFreezer;
  readonly reach: ReachCheck;
  readonly features: Pick<FeatureList, 'describe' | 'describeWorker'>;
  readonly command: readonly string[];
  readonly upAtMs: number;
  readonly nowMs: () => number;
  readonly signalName: (signal: number) => string | undefined;
  readonly describeErrno: (errno: number) => string;
}

/** The whole status; `busy` and `idle` count running workers, and who may not be looked into counts as busy. */
export function describePool(source: StatusSource): PoolStatus {
  const workers = describeWorkers(source);
  const holders = { socketHolders: describeHolders(source), ...describeSpares(source) };
  const further = { ...holders, ...source.features.describe() };
  return { ...summarize(source, workers), ...further, workers };
}

/** The same without the workers. */
export function summarizePool(source: StatusSource): PoolSummary {
  return summarize(source, runningWorkers(source));
}

type Active = Pick<WorkerStatus, 'state' | 'activity' | 'pids'>;

function summarize(source: StatusSource, workers: readonly Active[]): PoolSummary {
  const { config, prepared, supervisor } = source;
  const running = workers.filter(({ state }) => state === 'running');
  const idle = running.filter(({ activity }) => activity === 'idle').length;
  const kept = running.filter(({ activity }) => activity === 'kept').length;
  const { pool } = supervisor;
  return {
    name: config.name,
    address: prepared.address,
    pid: process.pid,
    version: manifest.version,
    phase: pool.phase === 'stopped' ? 'stopping' : pool.phase,
    generation: pool.generation,
    uptimeMs: Math.round(source.nowMs() - source.upAtMs),
    wanted: pool.wanted,
    idle,
    busy: running.length - idle,
    kept,
    serving: servingOf(source, running),
    backoff: pool.slots.filter(({ state }) => state.kind === 'backoff').length,
    ...source.reach.describe(),
    ...describeGiven(prepared.socket),
    operation: describeOperation(source),
    lastReload: describeLastReload(source),
    command: source.command,
    pidFile: prepared.pidFile?.absolutePath ?? null,
    stopTimeoutMs: config.stopTimeoutMs,
  };
}

function describeGiven({ given }: PreparedPool['socket']): Pick<PoolSummary, 'given'> {
  return given ? { given: given.label } : {};
}

/** By the first worker that shows it: of many workers most need not be looked at. */
function servingOf({ prepared }: StatusSource, running: readonly Active[]): PoolSummary['serving'] {
  if (running.some(({ activity }) => activity === 'busy' || activity === 'kept')) return 'yes';
  const { proc, socket } = prepared;
  if (!proc) return running.length > 0 ? 'unknown' : 'no';
  let answer: PoolSummary['serving'] = 'no';
  for (const { pids } of running) {
    const seen = readinessOfAny(proc, pids, socket);
    if (seen === 'yes') return 'yes';
    if (seen === 'unknown') answer = 'unknown';
  }
  return answer;
}

function runningWorkers({ supervisor, freezer }: StatusSource): Active[] {
  const pids = supervisor.pool.slots.flatMap(({ state }) => (state.kind === 'running' ? [state.pid] : []));
  const scan = freezer.scan(pids);
  return pids.map((pid) => ({
    state: 'running',
    activity: freezer.activity(pid, scan),
    pids: scan?.membersOf(pid) ?? [pid],
  }));
}

function describeOperation({ supervisor, nowMs }: StatusSource): PoolStatus['operation'] {
  const { pool, operationSinceMs } = supervisor;
  const kind = pool.operation;
  const sinceMs = Math.round(nowMs() - (operationSinceMs ?? nowMs()));
  if (kind === undefined) return describeReplacement(pool.replacement, sinceMs);
  const { reload } = pool;
  const step = reload === undefined ? '' : `${reload.stage}${reload.slot < 0 ? '' : ` slot ${reload.slot}`}`;
  return { kind, sinceMs, step };
}

/** Gives way to everything else. */
function describeReplacement(
  replacement: Supervisor['pool']['replacement'],
  sinceMs: number,
): PoolStatus['operation'] {
  if (!replacement) return null;
  const { stage, wish } = replacement;
  return { kind: 'replacement', sinceMs, step: `${stage} slot ${wish.slot}: ${wish.reason.text}` };
}

function describeLastReload({ supervisor, nowMs }: StatusSource): PoolStatus['lastReload'] {
  const last = supervisor.lastReload;
  if (!last) return null;
  const { result, atMs, message, words } = last;
  return { result, agoMs: Math.round(nowMs() - atMs), message, words };
}

function describeWorkers(source: StatusSource): WorkerStatus[] {
  const { pool, roster } = source.supervisor;
  const scan = source.freezer.scan(roster.pids);
  const slots = pool.slots.map((slot, index) => {
    const pid = livePid(slot);
    const nextTryMs =
      slot.state.kind === 'backoff' ? Math.max(0, Math.round(slot.state.retryAtMs - source.nowMs())) : null;
    return describeWorker(source, scan, { slot: index, pid, state: slot.state.kind, nextTryMs });
  });
  const others = [
    ...roster.in('candidate').map(({ slot, pid }) => ({ slot, pid, state: 'starting' as const })),
    ...roster.in('retiree').map(({ slot, pid }) => ({ slot, pid, state: 'stopping' as const })),
  ];
  const further = others.map((worker) => describeWorker(source, scan, { ...worker, nextTryMs: null }));
  return [...slots, ...further];
}

function describeHolders({ supervisor }: StatusSource): SocketHolderStatus[] {
  return supervisor.socketHolders.map(({ pid, name, worker }) => ({
    pid,
    name,
    slot: worker === undefined ? null : (supervisor.roster.get(worker)?.slot ?? null),
  }));
}

function describeSpares({ supervisor, freezer, config, nowMs }: StatusSource): Pick<PoolStatus, 'spares'> {
  const { spares } = supervisor;
  if (!spares) return {};
  const scan = freezer.scan(spares.all.map(({ pid }) => pid));
  const workers = spares.all.map(({ pid, generation, stage, startedAtMs }) => ({
    pid,
    generation,
    state: stage,
    uptimeMs: Math.round(nowMs() - startedAtMs),
    pids: scan?.membersOf(pid) ?? [pid],
  }));
  return { spares: { wanted: config.spares, isPossible: spares.isPossible, workers } };
}

interface Place {
  readonly slot: number;
  readonly pid: number | undefined;
  readonly state: WorkerStatus['state'];
  readonly nextTryMs: number | null;
}

function describeWorker(
  source: StatusSource,
  scan: SessionScan | undefined,
  { slot, pid, state, nextTryMs }: Place,
): WorkerStatus {
  const { supervisor, freezer, nowMs } = source;
  const fact = pid === undefined ? undefined : supervisor.roster.get(pid);
  const { restarts, lastExit } = supervisor.facts.slot(slot);
  return {
    slot,
    pid: pid ?? null,
    generation: fact?.generation ?? supervisor.pool.generationOf(slot),
    state,
    uptimeMs: fact ? Math.round(nowMs() - fact.startedAtMs) : null,
    activity: pid === undefined ? 'unknown' : freezer.activity(pid, scan),
    restarts,
    lastExit: lastExit ? describeEnd(lastExit, source) : null,
    nextTryMs,
    pids: pid === undefined ? [] : (scan?.membersOf(pid) ?? [pid]),
    ...source.features.describeWorker(slot, pid),
  };
}
