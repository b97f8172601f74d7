// Asks the supervisor again and again: every two seconds while it answers, ever less often while it does not, and not at all
// while nobody looks.
import type { PageData } from './data.ts';

const everyMs = 2000;
const atMostMs = 30_000;
const patienceMs = 10_000;

export interface RenewalHands {
  readonly show: (data: PageData) => void;
  /** No answer; `retryMs`: until the next question. */
  readonly miss: (reason: string, retryMs: number) => void;
}

export class Renewal {
  readonly #hands: RenewalHands;
  #timer: number | undefined;
  #isAsking = false;
  #isPaused = false;
  #misses = 0;

  constructor(hands: RenewalHands) {
    this.#hands = hands;
    document.addEventListener('visibilitychange', () => this.#wake());
    // The network is there again.
    addEventListener('online', () => this.#wake());
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  begin(): void {
    void this.#ask();
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#wake();
  }

  #wake(): void {
    clearTimeout(this.#timer);
    if (!this.#isPaused && !document.hidden) void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const data = await askOnce();
      this.#misses = 0;
      this.#isAsking = false;
      this.#later(everyMs);
      this.#hands.show(data);
    } catch (error) {
      this.#misses += 1;
      this.#isAsking = false;
      const retryMs = Math.min(atMostMs, everyMs * 2 ** (this.#misses - 1));
      this.#later(retryMs);
      this.#hands.miss(explain(error as Error), retryMs);
    }
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#isPaused && !document.hidden) this.#timer = setTimeout(() => void this.#ask(), ms);
  }
}

/** Throws what `explain` explains. */
async function askOnce(): Promise<PageData> {
  // The page's own address, whatever its path, without a password that may be in it.
  const url = `${location.origin}${location.pathname}?html&data`;
  const signal = AbortSignal.timeout(patienceMs);
  const response = await fetch(url, { cache: 'no-store', credentials: 'same-origin', signal });
  if (!response.ok) throw new Error(`the web server says ${response.status}`);
  const data = (await response.json()) as Partial<PageData> | null;
  if (!data?.workers || !data.health) throw new SyntaxError();
  return data as PageData;
}

function explain({ name, message }: Error): string {
  if (name === 'TimeoutError') return `nothing came within ${patienceMs / 1000} s`;
  if (name === 'SyntaxError') return 'somebody else has answered';
  return name === 'TypeError' ? 'the web server cannot be reached' : message;
}
