// What is done about requests that are stuck: told, signalled, and ended, the processes that are at work on them where the
// worker has others, and the whole worker where they are all it has.
import type { PoolStatus } from '../../control/protocol.ts';
import type { EventLog } from '../../core/machine.ts';
import { describeRefused } from '../../core/text/end-text.ts';
import type { ProcessCall } from '../../core/process-call.ts';
import type { RequestStep } from '../../core/request-stage.ts';
import type { EventOf } from '../../core/text/pool-event.ts';
import { callsOf } from '../../sys/proc/process-calls.ts';
import { isRunning } from '../../sys/proc/process-stat.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import {
  isRefilled,
  killTree,
  signalEach,
  whoHeeds,
  type RequestProcesses,
} from '../../sys/session/request-processes.ts';
import type { StuckEnds } from '../../supervisor/ending/stuck-ends.ts';
import type { LeavingWorker, PoolLook } from './guard.ts';

export interface StuckSupervisor {
  readonly stuck: Pick<StuckEnds, 'expect' | 'recovered' | 'kill' | 'leave'>;
}

export interface StuckWorkersOptions {
  readonly timeoutMs: number;
  readonly signal: `SIG${string}` | undefined;
  readonly proc: ProcFs;
  readonly supervisor: StuckSupervisor;
  readonly log: Pick<EventLog, 'write'>;
}

/** Connections, and since when the oldest has been in progress at least. */
export interface OtherRequests {
  readonly connections: number;
  readonly ageMs: number;
}

/** A request that something is to be done about now. */
export interface StuckRequest {
  readonly worker: LeavingWorker;
  readonly ageMs: number;
  /** Who is at work on it; undefined: nobody any more. */
  readonly processes: RequestProcesses | undefined;
  /** What else the worker holds, or these processes of it. */
  readonly others: (pids: ReadonlySet<number> | undefined) => OtherRequests;
  readonly look: PoolLook;
}

/** Who waits for a parent to start another child, or for a worker to be gone. */
interface Aftermath {
  readonly worker: LeavingWorker;
  readonly processes: RequestProcesses;
  readonly atMs: number;
}

/** php-cgi starts another child within milliseconds. */
const refillMs = 5000;
/** As every KILL. */
const killedMs = 2000;
/** Of a program with hundreds of threads the first ones say what there is to say. */
const mostCalls = 16;

export class StuckWorkers {
  readonly #options: StuckWorkersOptions;
  /** What was done at this look. */
  readonly #acted = new Set<string>();
  #slow = 0;
  #stuck = 0;
  /** By their worker. */
  readonly #signalled = new Map<number, RequestProcesses>();
  readonly #aftermaths = new Map<number, Aftermath>();

  constructor(options: StuckWorkersOptions) {
    this.#options = options;
  }

  describe(): Pick<PoolStatus, 'slowRequests' | 'stuckRequests'> {
    return { slowRequests: this.#slow, stuckRequests: this.#stuck };
  }

  /** Something is to be looked at soon. */
  get isAtWork(): boolean {
    return this.#aftermaths.size > 0;
  }

  /** Of many requests that one process is stuck with, one is enough to act upon. */
  act(step: Exclude<RequestStep, 'none'>, request: StuckRequest): void {
    if (step === 'recovered') return this.recovered(request.worker);
    const { processes } = request;
    if (!processes) return;
    if (step === 'signal' || (step === 'kill' && !this.#options.signal)) this.#stuck++;
    if (step === 'tell') this.#slow++;
    const key = `${step} ${processes.members[0]?.pid}`;
    if (this.#acted.has(key)) return;
    this.#acted.add(key);
    if (step === 'tell') this.#tell(request, processes);
    else if (step === 'spare') this.#report(request, 'spared', this.#doing(processes), { pids: [] });
    else if (step === 'signal') this.#signal(request, processes);
    else this.#kill(request, processes);
  }

  /** A request that had its stuck signal is over. Where its process is, too, it has ended of that. */
  recovered({ pid }: LeavingWorker): void {
    const first = this.#signalled.get(pid)?.members[0];
    const stat = first && this.#options.proc.stat(first.pid);
    if (!stat || stat.startTime !== first.startTime || stat.isExiting || !isRunning(stat)) return;
    this.#signalled.delete(pid);
    this.#aftermaths.delete(pid);
    this.#options.supervisor.stuck.recovered(pid);
  }

  /** What has come of those that were ended. */
  look(look: PoolLook): void {
    this.#acted.clear();
    for (const pid of this.#signalled.keys()) if (!isThere(look, pid)) this.#signalled.delete(pid);
    for (const [pid, { worker, processes, atMs }] of this.#aftermaths) {
      const passedMs = look.nowMs - atMs;
      if (!isThere(look, pid)) this.#aftermaths.delete(pid);
      else if (processes.isWhole) {
        if (passedMs < killedMs) continue;
        this.#aftermaths.delete(pid);
        this.#options.supervisor.stuck.leave(pid);
      } else if (isRefilled(this.#options.proc, processes)) {
        this.#aftermaths.delete(pid);
        this.#options.supervisor.stuck.recovered(pid);
      } else if (passedMs >= refillMs && this.#replace(worker, look)) {
        this.#aftermaths.delete(pid);
      }
    }
  }

  /** A worker that has lost one of its processes for good. One that ends anyway needs no successor. */
  #replace({ pid }: LeavingWorker, look: PoolLook): boolean {
    const worker = look.workers.find((one) => one.pid === pid);
    const text = 'one of its processes was stuck, and it has started no other one (--request-timeout)';
    return !worker || look.replace(worker, { guard: 'request-timeout', text });
  }

  #tell({ worker: { slot, pid }, ageMs }: StuckRequest, processes: RequestProcesses): void {
    const { log, timeoutMs } = this.#options;
    const doing = this.#doing(processes);
    log.write({ event: 'request-slow', slot, workerPid: pid, ageMs, timeoutMs, doing });
  }

  #signal(request: StuckRequest, processes: RequestProcesses): void {
    const { proc, signal, supervisor } = this.#options;
    const { worker, look } = request;
    if (!signal) return;
    // The program may end of it; a shell around it ends with it.
    supervisor.stuck.expect(worker.pid);
    // Where it is before the signal, which it may act on at once.
    const doing = this.#doing(processes);
    this.#signalled.set(worker.pid, processes);
    const { sent } = signalEach(proc, worker.pid, whoHeeds(proc, processes, signal), signal);
    const pids = processes.members.map(({ pid }) => pid);
    this.#report(request, 'signalled', doing, { pids, signal, signalled: sent });
    if (sent.length > 0 && !processes.isWhole) this.#await(worker, processes, look);
  }

  #kill({ worker, ageMs, others, look }: StuckRequest, processes: RequestProcesses): void {
    const { proc, supervisor, log, signal } = this.#options;
    const pids = processes.members.map(({ pid }) => pid);
    if (!signal) this.#report({ worker, ageMs }, 'killed', this.#doing(processes), { pids });
    supervisor.stuck.expect(worker.pid);
    const cut = others(processes.isWhole ? undefined : new Set(pids));
    const refused = processes.isWhole ? supervisor.stuck.kill(worker.pid) : killTree(proc, processes).refused;
    if (refused.length > 0)
      return log.write({ event: 'warning', message: describeRefused(refused, 'a worker') });
    const reason = '--request-timeout';
    log.write({ event: 'killed', reason, pids });
    const { slot, pid: workerPid } = worker;
    if (cut.connections > 0) log.write({ event: 'request-cut', slot, workerPid, ...cut, reason });
    this.#await(worker, processes, look);
  }

  #await(worker: LeavingWorker, processes: RequestProcesses, { nowMs }: PoolLook): void {
    if (!this.#aftermaths.has(worker.pid))
      this.#aftermaths.set(worker.pid, { worker, processes, atMs: nowMs });
  }

  #report(
    { worker: { slot, pid }, ageMs }: Pick<StuckRequest, 'worker' | 'ageMs'>,
    outcome: EventOf<'request-stuck'>['outcome'],
    doing: readonly ProcessCall[],
    who: Pick<EventOf<'request-stuck'>, 'pids' | 'signal' | 'signalled'>,
  ): void {
    const { log, timeoutMs } = this.#options;
    log.write({ event: 'request-stuck', slot, workerPid: pid, ageMs, timeoutMs, outcome, ...who, doing });
  }

  #doing({ members }: RequestProcesses): readonly ProcessCall[] {
    return members.flatMap(({ pid }) => callsOf(this.#options.proc, pid)).slice(0, mostCalls);
  }
}

function isThere({ workers, leaving }: PoolLook, pid: number): boolean {
  return workers.some((one) => one.pid === pid) || leaving.some((one) => one.pid === pid);
}
