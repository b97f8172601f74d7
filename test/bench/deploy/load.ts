// Clients that never pause, straight at a pool's socket, and what becomes of each of their requests.
import { setImmediate } from 'node:timers/promises';
import { waitFor } from '../../helpers/machine/wait-for.ts';
import { fastcgiRequest, type FastcgiErrorCode } from '../../helpers/web/fastcgi-client.ts';

const clients = 3;
const workMs = 30;

export interface Losses {
  readonly answered: number;
  /** The answer broke off, or did not end within 10 s. */
  readonly atWork: number;
  /** Connected, and not a byte came: nobody had begun it. */
  readonly inQueue: number;
  /** The longest time in which a client found nobody listening. */
  readonly refusedMs: number;
}

interface Failure {
  readonly code?: FastcgiErrorCode;
  readonly bytesReceived?: number;
}

export class DeployLoad {
  #answered = 0;
  #atWork = 0;
  #inQueue = 0;
  #refusedMs = 0;
  #failure: unknown;
  #isStopped = false;
  readonly #socketPath: string;
  readonly #script: string;
  readonly #clients: readonly Promise<void>[];

  /** `script`: what a PHP is asked for. */
  constructor(socketPath: string, script: string) {
    this.#socketPath = socketPath;
    this.#script = script;
    const fail = (error: unknown): void => void (this.#failure ??= error);
    this.#clients = Array.from({ length: clients }, () => this.#run().catch(fail));
  }

  /** That many more from now on: whatever was done has clients that know of it. */
  untilAnswered(count: number): Promise<boolean> {
    const goal = this.#answered + count;
    const look = (): boolean => {
      this.#throwFailure();
      return this.#answered >= goal;
    };
    return waitFor(`${count} answers`, look, { timeoutMs: 30_000 });
  }

  /** What was lost before a first answer was the start's, not a deploy's. */
  countAnew(): void {
    this.#atWork = this.#inQueue = this.#refusedMs = 0;
  }

  async stop(): Promise<Losses> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
    this.#throwFailure();
    const [answered, atWork] = [this.#answered, this.#atWork];
    return { answered, atWork, inQueue: this.#inQueue, refusedMs: this.#refusedMs };
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #run(): Promise<void> {
    let refusedSinceMs: number | undefined;
    while (!this.#isStopped) {
      const nowMs = performance.now();
      const isRefused = await this.#ask();
      if (isRefused) refusedSinceMs ??= nowMs;
      if (refusedSinceMs !== undefined) this.#refusedMs = Math.max(this.#refusedMs, nowMs - refusedSinceMs);
      if (!isRefused) refusedSinceMs = undefined;
      await setImmediate();
    }
  }

  async #ask(): Promise<boolean> {
    const parameters = {
      REQUEST_METHOD: 'GET',
      QUERY_STRING: `sleep=${workMs}`,
      SCRIPT_FILENAME: this.#script,
    };
    try {
      const { stdout } = await fastcgiRequest({ socketPath: this.#socketPath }, parameters);
      if (!stdout.endsWith('ended\n')) throw new Error(`an answer that is none: ${stdout}`);
      this.#answered += 1;
    } catch (error) {
      const { code, bytesReceived } = error as Failure;
      if (code === 'refused' || code === 'missing') return true;
      // A timeout: php-cgi under multiwatch, now and then.
      if (code !== 'reset' && code !== 'truncated' && code !== 'timeout') throw error;
      if (bytesReceived === 0) this.#inQueue += 1;
      else this.#atWork += 1;
    }
    return false;
  }
}
