// The answer to `?html&data`, which the page shows: the pool as it is, and what was seen of it before. What others have named
// has no control character in it, nor one that changes the direction of what follows. Pure.
import { judgeHealth } from '../../control/health.ts';
import { stateOf, type PoolFigures, type PoolUsage, type Usage } from '../../control/metrics/pool-figures.ts';
import type { PoolStatus, WorkerStatus } from '../../control/protocol.ts';
import { printable } from '../../core/text/printable.ts';
import type {
  PageData,
  PageEvent,
  PageInside,
  PageLook,
  PageReload,
  PageSpare,
  PageUsage,
  PageWorker,
  WorkerWord,
} from './page/data.ts';

export interface Seen {
  /** Of the page that belongs to it. */
  readonly page: string;
  readonly looks: readonly PageLook[];
  readonly figures: Readonly<Record<string, string>>;
  /** Undefined: everybody may ask here. */
  readonly inside: { readonly release: string; readonly events: readonly PageEvent[] } | undefined;
}

export function describeForPage({ status, usage }: PoolFigures, seen: Seen): PageData {
  const { name, address, pid, version, uptimeMs, wanted, generation, queue, operation, lastReload } = status;
  const { counts, replaced, slowRequests, stuckRequests } = status;
  const health = judgeHealth(status);
  return {
    page: seen.page,
    name: printable(name),
    address: printable(address),
    pid,
    version,
    upMs: uptimeMs,
    health: { kind: health.kind, text: printable(health.text) },
    wanted,
    generation,
    queue,
    operation: operation && { ...operation, step: printable(operation.step) },
    lastReload: describeReload(lastReload),
    restarts: counts?.restarts ?? {},
    reloads: counts?.reloads ?? {},
    replaced,
    slowRequests,
    stuckRequests,
    scaling: describeScaling(status),
    supervisor: usage.supervisor ? describeUsage(usage.supervisor) : null,
    cpuMs: usage.cpuMs ?? null,
    workers: status.workers.map((worker) => describeWorker(worker, usage)),
    spares: describeSpares(status, usage),
    looks: seen.looks,
    figures: seen.figures,
    inside: seen.inside ? { ...seen.inside, ...describeFailure(lastReload) } : null,
  };
}

function describeReload(last: PoolStatus['lastReload']): PageReload | null {
  return last && { result: last.result, agoMs: last.agoMs };
}

function describeFailure(last: PoolStatus['lastReload']): Pick<PageInside, 'message' | 'words'> {
  return { message: printable(last?.message ?? ''), words: (last?.words ?? []).map(printable) };
}

/** Where the load decides. */
function describeScaling({ scaling }: PoolStatus): PageData['scaling'] {
  if (!scaling || scaling.min === scaling.max) return null;
  const { min, max, last } = scaling;
  return { min, max, last: last && `from ${last.from} to ${last.to}: ${last.reason}` };
}

function describeSpares({ spares }: PoolStatus, usage: PoolUsage): PageData['spares'] {
  if (!spares) return null;
  const workers = spares.workers.map(({ pid, generation, state, uptimeMs }): PageSpare => ({
    pid,
    generation,
    state,
    upMs: uptimeMs,
    usage: usageOf(usage, pid),
  }));
  return { wanted: spares.wanted, workers };
}

/** Of many workers most of it is nothing, which is left out. */
function describeWorker(worker: WorkerStatus, usage: PoolUsage): PageWorker {
  const { slot, pid, generation, uptimeMs, pids, restarts, lastExit, nextTryMs, requestAgeMs } = worker;
  return {
    slot,
    pid: pid ?? undefined,
    generation,
    state: stateOf(worker) as WorkerWord,
    upMs: uptimeMs ?? undefined,
    processes: pids.length > 1 ? pids.length : undefined,
    restarts: restarts || undefined,
    lastExit: lastExit ?? undefined,
    nextTryMs: nextTryMs ?? undefined,
    requestAgeMs: requestAgeMs ?? undefined,
    usage: pid === null ? undefined : usageOf(usage, pid),
  };
}

function usageOf({ workers }: PoolUsage, pid: number): PageUsage | undefined {
  const usage = workers.get(pid);
  return usage && describeUsage(usage);
}

function describeUsage({ rssBytes, cpuMs }: Usage): PageUsage {
  return { rssBytes, cpuMs };
}
