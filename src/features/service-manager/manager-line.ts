// What the service manager is told, in order. It reads when it likes: what it has no room for is kept and sent later, if
// it still matters then; nothing that it does can keep the pool from its work.
import type { Clock } from '../../core/machine.ts';
import type { ManagerSocket } from '../../sys/connection/manager-socket.ts';

export interface ManagerMessage {
  readonly lines: readonly string[];
  /** Copies of them go along. */
  readonly descriptors?: readonly number[];
  /** One that comes later says all of it, too: nothing is kept for long. */
  readonly isPassing?: boolean;
}

const firstPauseMs = 20;
const longestPauseMs = 1000;
/** A manager that has not read for so long does not wait for us any more. */
const patienceMs = 60_000;
const mostWaiting = 64;

export class ManagerLine {
  readonly #socket: Pick<ManagerSocket, 'send' | 'awaitRoom'>;
  readonly #clock: Clock;
  #waiting: ManagerMessage[] = [];
  #since = 0;
  #isRetrying = false;

  constructor(socket: Pick<ManagerSocket, 'send' | 'awaitRoom'>, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  tell(message: ManagerMessage): void {
    if (this.#waiting.length === 0) this.#since = this.#clock.nowMs();
    this.#waiting = this.#waiting.filter(({ isPassing }) => isPassing !== true).slice(1 - mostWaiting);
    this.#waiting.push(message);
    this.#flush();
    this.#retry(firstPauseMs);
  }

  /** For the word that the start waits for: gives the manager that long to make room. */
  settle(waitMs: number): void {
    const deadlineMs = this.#clock.nowMs() + waitMs;
    for (
      let leftMs = waitMs;
      this.#waiting.length > 0 && leftMs > 0;
      leftMs = deadlineMs - this.#clock.nowMs()
    ) {
      this.#socket.awaitRoom(leftMs);
      this.#flush();
    }
  }

  /** What nobody listens to is not kept. */
  #flush(): void {
    while (this.#waiting.length > 0) {
      const [{ lines, descriptors } = never] = this.#waiting;
      if (this.#socket.send(lines, descriptors) === 'full') return;
      this.#waiting.shift();
    }
  }

  #retry(pauseMs: number): void {
    if (this.#isRetrying || this.#waiting.length === 0) return;
    this.#isRetrying = true;
    this.#clock.after(pauseMs, () => {
      this.#isRetrying = false;
      if (this.#clock.nowMs() - this.#since > patienceMs) this.#waiting = [];
      this.#flush();
      this.#retry(Math.min(2 * pauseMs, longestPauseMs));
    });
  }
}

/** Of an empty list. */
const never: ManagerMessage = { lines: [] };
