// The question for its status that each watched pool is asked: one at a time, however long it takes, so that a supervisor
// that does not answer has one to answer, and not one a frame.
import { ask, type Outcome } from '../../control/client.ts';
import type { PoolAnswer } from '../status/pool-answers.ts';
import { ownerOf, type Pool } from '../target/pools.ts';

export interface SilentPool {
  readonly pool: Pool;
  /** So long it has been asked. */
  readonly forMs: number;
}

interface Question {
  readonly askedMs: number;
  readonly done: Promise<Outcome>;
  readonly abort: AbortController;
  outcome: Outcome | undefined;
}

export class PoolQuestions {
  readonly #timeoutMs: number | undefined;
  /** Those that are not answered, or whose answer nobody has seen yet. */
  readonly #open = new Map<string, Question>();

  /** `timeoutMs`: after that a question counts as answered by nobody. */
  constructor(timeoutMs: number | undefined) {
    this.#timeoutMs = timeoutMs;
  }

  /** Asks who owes no answer, and waits for all answers, at most so long. */
  async ask(pools: readonly Pool[], patienceMs: number): Promise<[PoolAnswer[], SilentPool[]]> {
    const wanted = new Map(pools.map((pool) => [keyOf(pool), pool]));
    for (const [key, { abort }] of this.#open) {
      if (wanted.has(key)) continue;
      abort.abort();
      this.#open.delete(key);
    }
    for (const [key, pool] of wanted) if (!this.#open.has(key)) this.#open.set(key, this.#begin(pool));
    await within(patienceMs, Promise.all(Array.from(this.#open.values(), ({ done }) => done)));
    const answers: PoolAnswer[] = [];
    const silent: SilentPool[] = [];
    for (const [key, pool] of wanted) {
      const { outcome, askedMs } = this.#open.get(key) ?? { outcome: undefined, askedMs: 0 };
      if (outcome) this.#open.delete(key);
      if (outcome) answers.push({ pool, outcome });
      else silent.push({ pool, forMs: performance.now() - askedMs });
    }
    return [answers, silent];
  }

  #begin(pool: Pool): Question {
    const abort = new AbortController();
    const options = { timeoutMs: this.#timeoutMs, owner: ownerOf(pool), signal: abort.signal };
    const done = ask(pool.controlPath, { command: 'status' }, options).then(
      (outcome) => (question.outcome = outcome),
    );
    const question: Question = { askedMs: performance.now(), done, abort, outcome: undefined };
    return question;
  }
}

/** Another supervisor on the address is another pool to ask. */
function keyOf({ base, address, state }: Pool): string {
  return [base, address, state.pid, state.startTime].join('\0');
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
