// The one timer of all guards of a pool: armed while it serves, one look a second at most for all of them, none while a
// reload, a restart or a handover is under way.
import { everyStep } from '../../core/every-step.ts';
import type { Clock, EventLog } from '../../core/machine.ts';
import type { PoolStatus, WorkerStatus } from '../../control/protocol.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import type { Feature } from '../feature.ts';
import type { Guard, PoolLook } from './guard.ts';
import { LiveLook, type LookedPool } from './pool-look.ts';
import { Replacements } from './replacements.ts';
import { Turns } from './turns.ts';

/** Between two looks, if nothing is going on. */
const lookEveryMs = 1000;
/** Who has served nobody yet is worth a look. */
const firstLookMs = 10;
/** What looks cost stays below a 150th of a processor; while something is going on, below a tenth. */
const restPerCost = 150;
const soonPerCost = 10;
const soonestMs = 10;
/** Node's timers fire at once beyond. */
const longestMs = 2 ** 31 - 1;

export interface GuardsOptions extends LookedPool {
  readonly guards: readonly Guard[];
  readonly supervisor: Pick<Supervisor, 'pool' | 'roster' | 'replace'>;
  readonly clock: Clock;
  readonly log: Pick<EventLog, 'write'>;
  /** Milliseconds of the processor that this process has had. */
  readonly spentMs: () => number;
}

export class Guards implements Feature {
  readonly #options: GuardsOptions;
  readonly #replacements: Replacements;
  readonly #turns = new Turns();
  /** Of guards that have failed, the last error that was told. */
  readonly #told = new Map<Guard, string>();
  #isServing = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: GuardsOptions) {
    this.#options = options;
    this.#replacements = new Replacements(options);
  }

  serving(): void {
    this.#isServing = true;
    this.#lookAfter(firstLookMs);
  }

  /** A guard has something to look at that had not: the next look comes when it would come of one that is never at rest. */
  wake(): void {
    this.#lookAfter(lookEveryMs);
  }

  stopping(): void {
    this.#isServing = false;
    this.#cancelTimer?.();
  }

  describe(): Partial<PoolStatus> {
    return this.#mayReplace ? this.#replacements.describe() : {};
  }

  describeWorker(slot: number): Partial<WorkerStatus> {
    return this.#mayReplace ? this.#replacements.describeWorker(slot) : {};
  }

  get #mayReplace(): boolean {
    return this.#options.guards.some(({ neverReplaces }) => !neverReplaces);
  }

  #lookAfter(delayMs: number): void {
    const { clock, guards } = this.#options;
    this.#cancelTimer?.();
    if (!this.#isServing || guards.every((guard) => guard.isOff?.())) return;
    this.#cancelTimer = clock.after(Math.min(delayMs, longestMs), () => {
      const { pool } = this.#options.supervisor;
      const isPaused = pool.phase !== 'serving' || pool.operation !== undefined || pool.isReloadDue;
      const restMs = isPaused ? lookEveryMs : this.#look();
      this.#lookAfter(restMs);
    });
  }

  /** The result: until the next look. */
  #look(): number {
    const { guards, clock, spentMs } = this.#options;
    const beganMs = spentMs();
    let restMs = longestMs;
    let soonMs = longestMs;
    const look = new LiveLook(this.#options, clock.nowMs(), this.#turns, {
      soon: (ms) => void (soonMs = Math.min(soonMs, ms)),
      replace: (worker, reason) => this.#replacements.replace(worker, reason),
    });
    for (const guard of guards.filter((one) => !one.isOff?.())) {
      const own = this.#lookBy(guard, look);
      restMs = Math.min(restMs, own);
    }
    const costMs = spentMs() - beganMs;
    return Math.min(
      Math.max(restMs, costMs * restPerCost),
      Math.max(soonMs, soonestMs, costMs * soonPerCost),
    );
  }

  #lookBy(guard: Guard, look: PoolLook): number {
    let restMs: number = lookEveryMs;
    everyStep(
      (error) => this.#tell(guard, error),
      () => guard.look(look),
      () => (restMs = Math.max(lookEveryMs, guard.restMs?.(look) ?? lookEveryMs)),
    );
    return restMs;
  }

  /** Every second the same would fill the log. */
  #tell(guard: Guard, { stack, message }: Error): void {
    if (this.#told.get(guard) === message) return;
    this.#told.set(guard, message);
    this.#options.log.write({ event: 'warning', message: `internal error: ${stack ?? message}` });
  }
}
