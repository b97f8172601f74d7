// `scale` at the control socket: sets the number of workers, or between which numbers the load decides, and waits for those
// that were added.
import { refusal, type ControlResult } from '../../control/protocol.ts';
import type { ControlClient } from '../../control/server.ts';
import { parseWorkersWord, type WorkersWord } from '../../control/workers-word.ts';
import type { NewWorkers } from '../../core/scaling/worker-bounds.ts';
import { describeRange } from '../../core/scaling/worker-range.ts';
import { countWorkers, done } from './command-results.ts';
import type { ControlledPool } from './control-actions.ts';
import { describeShortfall, ScaleWatch } from './scale-watch.ts';

const waitLookMs = 20;

export class ScaleCommand {
  readonly #pool: ControlledPool;
  /** Looks of those who wait for workers that they have added. */
  readonly #waiting = new Set<() => void>();

  constructor(pool: ControlledPool) {
    this.#pool = pool;
  }

  carryOut(word: WorkersWord, client: ControlClient): void {
    const { supervisor, scaling, status } = this.#pool;
    if (supervisor.phase !== 'serving')
      return client.answer(refusal('stopping', `the pool is ${supervisor.phase}`));
    const asked = parseWorkersWord(word);
    if (!asked) return client.answer(refusal('invalid', 'no number of workers'));
    const next = scaling.after(asked);
    const { operation, wanted } = supervisor.pool;
    const unendable = next.workers < supervisor.pool.slots.length ? supervisor.unendable : undefined;
    if (unendable !== undefined) return client.answer(refusal('failed', unendable));
    // Without bounds the least is what one gets, as ever.
    if (asked.kind === 'difference' && next.workers === wanted && isMoving(next))
      return client.answer({ ...done(`${nameWorkers(next)} already`, status()), status: 1 });
    const watch = new ScaleWatch(supervisor, next.workers);
    scaling.apply(next);
    if (operation === undefined) return this.#awaitScaled(client, next, watch);
    client.answer(done(`${nameWorkers(next)}, when the ${operation} is over`, status()));
  }

  /** The pool has ended; whether somebody waited. */
  stopped(): boolean {
    const isWaitedFor = this.#waiting.size > 0;
    for (const look of this.#waiting) look();
    return isWaitedFor;
  }

  /**
   * Those that were added must be up, or have failed, before the answer. Those that are not wanted any more end as
   * their requests do, which may take until --stop-timeout: nobody waits for that, they take no new ones.
   */
  #awaitScaled(client: ControlClient, next: NewWorkers, watch: ScaleWatch): void {
    const deadlineMs = this.#pool.nowMs() + this.#pool.readyTimeoutMs;
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      clearTimeout(timer);
      const { supervisor, nowMs } = this.#pool;
      const isOver =
        client.socket.destroyed ||
        supervisor.phase !== 'serving' ||
        supervisor.pool.wanted !== next.workers ||
        watch.isDecided ||
        nowMs() >= deadlineMs;
      if (isOver) {
        this.#waiting.delete(look);
        client.answer(this.#resultOf(next, watch));
      } else {
        this.#waiting.add(look);
        timer = setTimeout(look, waitLookMs);
      }
    };
    look();
  }

  #resultOf(next: NewWorkers, watch: ScaleWatch): ControlResult {
    const { supervisor, status } = this.#pool;
    if (supervisor.phase !== 'serving') return refusal('stopping', `the pool is ${supervisor.phase}`);
    const { wanted: latest } = supervisor.pool;
    const who = isMoving(next) ? 'the load' : 'somebody else';
    if (latest !== next.workers) return done(`${countWorkers(latest)}, as ${who} wants it now`, status());
    const { shortfall } = watch;
    if (!shortfall) return done(nameWorkers(next), status());
    const message = `${nameWorkers(next)} wanted, ${describeShortfall(shortfall, this.#pool)}`;
    return { ok: true, status: 1, message, pool: status() };
  }
}

/** Whether the load moves the number. */
function isMoving({ range }: NewWorkers): boolean {
  return range.min < range.max;
}

function nameWorkers(next: NewWorkers): string {
  return isMoving(next)
    ? `${countWorkers(next.workers)} of ${describeRange(next.range)}`
    : countWorkers(next.workers);
}
