// `spawn-fcgictl events`: stays connected and tells each event as it happens, until the pool has stopped. Another
// supervisor that takes the pool over is followed beside the old one, which still has something to say of its workers.
import { ask } from '../../control/client.ts';
import { isCount, isObject, isText, type Fields } from '../../control/json-fields.ts';
import { printable } from '../../core/text/printable.ts';
import { explainFailure } from '../explain-outcome.ts';
import { printError } from '../print/print-ctl.ts';
import { printableJson } from '../print/printable.ts';
import { writeFully } from '../print/write-fully.ts';
import type { CtlRequest } from '../program.ts';
import { refuseDead } from '../status/dead-pool-text.ts';
import { ctlStatus } from '../statuses.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { isDeadPool, ownerOf, type Pool } from '../target/pools.ts';
import { EventCommand } from './event-command.ts';

type EventsRequest = Extract<CtlRequest, { command: 'events' }>;

const lookMs = 50;

export async function followEvents(
  request: EventsRequest,
  openFinder: () => Promise<PoolFinder>,
  answerMs: number,
): Promise<number> {
  const pool = await (await openFinder()).find(request.target);
  if (isDeadPool(pool)) throw refuseDead(pool, 'tell of');
  const { exec } = request;
  const command = exec === undefined ? undefined : new EventCommand(exec, printError);
  const following = new Following(request, { openFinder, answerMs, command });
  const status = await following.follow(pool);
  await command?.end();
  return status;
}

interface FollowingOptions {
  readonly openFinder: () => Promise<PoolFinder>;
  /** For a supervisor to answer at first, and for a successor to be there. */
  readonly answerMs: number;
  readonly command: EventCommand | undefined;
}

class Following {
  readonly #request: EventsRequest;
  readonly #options: FollowingOptions;
  readonly #successors: Promise<number>[] = [];
  /** Each once: another user's supervisor may say the same of itself for ever. */
  readonly #followed = new Set<number>();
  /** Nobody reads our output any more. */
  readonly #unread = new AbortController();

  constructor(request: EventsRequest, options: FollowingOptions) {
    this.#request = request;
    this.#options = options;
  }

  /** The exit status, once this supervisor and those that came after it have ended. */
  async follow(pool: Pool): Promise<number> {
    this.#followed.add(pool.state.pid);
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), this.#options.answerMs);
    const outcome = await ask(
      pool.controlPath,
      { command: 'events', fields: {} },
      {
        owner: ownerOf(pool),
        signal: AbortSignal.any([silence.signal, this.#unread.signal]),
        onProgress: () => clearTimeout(timer),
        onLine: ({ event, text }) => isObject(event) && isText(text) && this.#take(pool, event, text),
      },
    );
    clearTimeout(timer);
    if (this.#unread.signal.aborted) return ctlStatus.ok;
    if (silence.signal.aborted)
      throw explainFailure({ kind: 'timed-out', afterMs: this.#options.answerMs }, pool);
    const further = await Promise.all(this.#successors);
    if (outcome.kind !== 'result') throw explainFailure(outcome, pool);
    const { result } = outcome;
    if (!result.ok) printError(printable(result.message));
    return [result.status, ...further].find((status) => status !== ctlStatus.ok) ?? ctlStatus.ok;
  }

  #take(pool: Pool, facts: Fields, text: string): void {
    this.#tell(facts, text);
    const { event, to } = facts;
    if (event !== 'handed-over' || !isCount(to) || this.#followed.has(to)) return;
    this.#followed.add(to);
    const successor = this.#followSuccessor(pool, to);
    // Its failure is told at the end, with the old supervisor's.
    successor.catch(() => undefined);
    this.#successors.push(successor);
  }

  #tell(facts: Fields, text: string): void {
    const { command } = this.#options;
    if (command) return command.run(facts);
    const line = this.#request.asJson ? printableJson(facts, 0) : describeLine(facts, text);
    if (!writeFully(1, `${line}\n`, true)) this.#unread.abort();
  }

  /** By the address: the target may have been the old supervisor's PID. */
  async #followSuccessor(pool: Pool, pid: number): Promise<number> {
    const untilMs = performance.now() + this.#options.answerMs;
    for (;;) {
      const finder = await this.#options.openFinder();
      const next = finder
        .all()
        .find(({ state }) => state.pid === pid && state.address === pool.state.address);
      if (next && !isDeadPool(next)) return this.follow(next);
      if (performance.now() > untilMs)
        throw explainFailure({ kind: 'timed-out', afterMs: this.#options.answerMs }, pool);
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }
}

function describeLine({ time, name }: Fields, text: string): string {
  const [when, whose] = [time, name].map((field) => (isText(field) ? printable(field) : '-'));
  return `${when} ${whose}: ${printable(text)}`;
}
