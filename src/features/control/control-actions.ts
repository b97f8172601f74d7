// What each command of the control socket does to the pool.
import {
  refusal,
  type FeatureRequest,
  type PoolRequest,
  type PoolStatus,
  type PoolSummary,
} from '../../control/protocol.ts';
import { describeEvent } from '../../core/text/event-text.ts';
import { describeLeft } from '../../core/text/left-process.ts';
import type { PoolEvent } from '../../core/text/pool-event.ts';
import type { Command, ControlActions, ControlClient } from '../../control/server.ts';
import type { Machine } from '../../core/machine.ts';
import type { OperationEnd } from '../../supervisor/outcome.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { WorkerScaling } from '../guards/worker-scaling.ts';
import { done, resultOf, spoiled } from './command-results.ts';
import { ScaleCommand } from './scale-command.ts';

export interface ControlledPool extends Pick<Machine, 'describeErrno' | 'signalName'> {
  readonly supervisor: Supervisor;
  readonly scaling: Pick<WorkerScaling, 'after' | 'apply'>;
  readonly readyTimeoutMs: number;
  readonly status: () => PoolStatus;
  readonly summary: () => PoolSummary;
  /** Sees to it that clients reach the workers that come; why they cannot. */
  readonly renewSocket: () => string | undefined;
  /** Tells why they cannot reach the socket, by one connection to it; undefined: they can, as far as anybody knows. */
  readonly askReach: (done: (problem: string | undefined) => void) => void;
  readonly stop: (reason: string) => void;
  /** What its features answer. */
  readonly commands: ReadonlyMap<string, Command>;
  readonly nowMs: () => number;
}

const waitLookMs = 20;
const servingLooks = 5;

/** Commands that wait for the end of what they asked for; events reach them as progress. */
export class PoolActions implements ControlActions {
  readonly #pool: ControlledPool;
  readonly #waiting = new Set<ControlClient>();
  readonly #scale: ScaleCommand;

  readonly commands: ReadonlyMap<string, Command>;

  constructor(pool: ControlledPool) {
    this.#pool = pool;
    this.#scale = new ScaleCommand(pool);
    this.commands = pool.commands;
  }

  carryOutCommand({ fields }: FeatureRequest, command: Command, client: ControlClient): void {
    const run = (): void => command.carryOut(fields, client);
    if (command.awaits) this.#whenFree(client, command.awaits, run);
    else run();
  }

  carryOut(request: PoolRequest, client: ControlClient): void {
    switch (request.command) {
      case 'ping':
        return this.#ping(client);
      case 'status':
        return this.#look(this.#pool.status, (pool) => client.answer(done('', pool)));
      case 'stop':
        return this.#stop(client);
      case 'reload':
        return this.#whenFree(client, ['restart', 'handover'], () =>
          this.#whenReplaceable(client, () => this.#reload(client, request.early ?? false)),
        );
      case 'restart':
        return this.#whenFree(client, ['reload', 'restart', 'handover'], () =>
          this.#whenReplaceable(client, () => this.#restart(client)),
        );
      case 'scale':
        return this.#scale.carryOut(request.workers, client);
    }
  }

  /** An event's line, for those who wait. */
  tell(event: PoolEvent): void {
    if (this.#waiting.size === 0) return;
    const text = describeEvent(event);
    for (const client of this.#waiting) client.progress(text);
  }

  /** Every process of the pool is gone; whether somebody waited for that. */
  stopped(): boolean {
    const isScalingAwaited = this.#scale.stopped();
    const isWaitedFor = this.#waiting.size > 0 || isScalingAwaited;
    const { left } = this.#pool.supervisor;
    const status = left.length > 0 ? 1 : 0;
    const message = left.length > 0 ? `stopped, but ${describeLeft(left)}` : 'stopped';
    for (const client of this.#waiting) client.farewell({ ok: true, status, message });
    this.#waiting.clear();
    return isWaitedFor;
  }

  /** Only somebody who waits for it may get a connection that nobody will use. */
  #ping(client: ControlClient): void {
    this.#look(this.#pool.summary, (pool) => {
      const isGood = pool.phase === 'serving' && pool.serving !== 'no' && pool.unreachable === null;
      const answer = (unreachable: string | null): void =>
        client.answer(done('alive', { ...pool, unreachable }));
      if (!isGood || pool.idle === 0) answer(pool.unreachable);
      else this.#pool.askReach((problem) => answer(problem ?? null));
    });
  }

  /** Between two requests a worker neither waits nor holds a connection: a short look may miss that it serves. */
  #look(
    look: () => PoolStatus | PoolSummary,
    tell: (pool: PoolStatus | PoolSummary) => void,
    looksLeft = servingLooks,
  ): void {
    const pool = look();
    const mayBeMissed = pool.phase === 'serving' && pool.serving === 'no' && pool.idle > 0 && looksLeft > 1;
    if (mayBeMissed) setTimeout(() => this.#look(look, tell, looksLeft - 1), waitLookMs);
    else tell(pool);
  }

  #stop(client: ControlClient): void {
    this.#await(client);
    // A second request is no second signal: the deadline stays what it is.
    if (this.#pool.supervisor.phase !== 'stopping') this.#pool.stop('asked by spawn-fcgictl');
  }

  #reload(client: ControlClient, isEarly: boolean): void {
    this.#await(client);
    this.#pool.supervisor.reload((end) => this.#conclude(client, end), isEarly);
  }

  #restart(client: ControlClient): void {
    this.#await(client);
    const isAccepted = this.#pool.supervisor.restart((end) => this.#conclude(client, end));
    if (!isAccepted) this.#conclude(client, { kind: 'stopped' });
  }

  /** New workers beside old ones that nobody can end are no success, nor are new ones that nobody can connect to. */
  #whenReplaceable(client: ControlClient, run: () => void): void {
    const problem = this.#pool.supervisor.unendable ?? this.#pool.renewSocket();
    if (problem === undefined) run();
    else client.answer(refusal('failed', problem));
  }

  #await(client: ControlClient): void {
    this.#waiting.add(client);
    client.socket.on('close', () => this.#waiting.delete(client));
  }

  #conclude(client: ControlClient, end: OperationEnd): void {
    this.#waiting.delete(client);
    const result = resultOf(end, this.#pool.summary());
    if (!result.ok || result.status !== 0) return client.answer(result);
    // Old workers, or the new ones, may have spoiled the socket meanwhile.
    this.#pool.askReach((problem) =>
      client.answer(problem === undefined ? result : spoiled(result, problem)),
    );
  }

  /** One operation at a time: waits up to --ready-timeout for the one under way. */
  #whenFree(client: ControlClient, blockers: readonly string[], run: () => void): void {
    const deadlineMs = this.#pool.nowMs() + this.#pool.readyTimeoutMs;
    const look = (): void => {
      if (client.socket.destroyed) return;
      const { supervisor, nowMs } = this.#pool;
      if (supervisor.phase === 'stopping' || supervisor.phase === 'stopped')
        return client.answer(refusal('stopping', 'the pool is stopping'));
      const { operation } = supervisor.pool;
      const isFree = operation === undefined || !blockers.includes(operation);
      if (isFree && supervisor.phase === 'serving') return run();
      if (nowMs() < deadlineMs) {
        setTimeout(look, waitLookMs);
        return;
      }
      const sinceMs = nowMs() - (supervisor.operationSinceMs ?? nowMs());
      const since = `${Math.round(sinceMs / 1000)} s`;
      client.answer(refusal('busy', `busy: ${operation ?? supervisor.phase} since ${since}`));
    };
    look();
  }
}
