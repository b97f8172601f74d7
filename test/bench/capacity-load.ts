// A load that always leaves one of four workers free, and how many of them have answered since when.
import { setTimeout as delay } from 'node:timers/promises';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { fastcgiRequest, type FastcgiTarget } from '../helpers/web/fastcgi-client.ts';

const clients = 3;
const workMs = 1;
/** Of a program that needs 3 s, and of who starts it again after a delay. */
const patienceMs = 60_000;

export class CapacityLoad {
  /** Requests that were not answered, once the program had answered at all. */
  lost = 0;
  readonly #target: FastcgiTarget;
  readonly #script: string | undefined;
  #sinceMs = performance.now();
  /** When each PID first answered a request that was sent since then. */
  #firstAnswers = new Map<number, number>();
  #hasAnswered = false;
  #isStopped = false;
  readonly #clients: readonly Promise<void>[];

  /** `script`: what a PHP is asked for. */
  constructor(target: FastcgiTarget, script?: string) {
    this.#target = target;
    this.#script = script;
    this.#clients = Array.from({ length: clients }, () => this.#run());
  }

  /** From now on. */
  countAnew(): void {
    this.#sinceMs = performance.now();
    this.#firstAnswers = new Map();
  }

  /** When the last of so many others than `victim` has answered first, since the counting began. */
  untilAnsweredBy(count: number, victim = 0): Promise<number> {
    const look = (): number | undefined =>
      [...this.#firstAnswers].filter(([pid]) => pid !== victim)[count - 1]?.[1];
    return waitFor(`answers of ${count} workers`, look, { intervalMs: 1, timeoutMs: patienceMs });
  }

  /** Who answers next. */
  nextPid(): Promise<number> {
    this.countAnew();
    const look = (): number | undefined => [...this.#firstAnswers.keys()][0];
    return waitFor('an answer', look, { intervalMs: 1 });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const sentAtMs = performance.now();
      const pid = await this.#ask();
      if (pid === undefined || sentAtMs < this.#sinceMs || this.#firstAnswers.has(pid)) continue;
      this.#firstAnswers.set(pid, performance.now());
    }
  }

  async #ask(): Promise<number | undefined> {
    const script = this.#script === undefined ? {} : { SCRIPT_FILENAME: this.#script };
    const parameters = { REQUEST_METHOD: 'GET', QUERY_STRING: `sleep=${workMs}`, ...script };
    try {
      const { stdout } = await fastcgiRequest(this.#target, parameters, '', { timeoutMs: patienceMs });
      const pid = /^GET \S* (\d+) /m.exec(stdout)?.[1];
      this.#hasAnswered = true;
      if (pid !== undefined) return Number(pid);
    } catch {
      // Nobody listens there yet.
      if (!this.#hasAnswered) await delay(20);
    }
    if (this.#hasAnswered) this.lost += 1;
    return undefined;
  }
}
