// How long a server is waited for: a time for all, or one in which nothing comes. Time in which we did not listen to it,
// since whoever reads our output did not read, is not the server's.

export type Limit =
  { readonly kind: 'deadline'; readonly ms: number } | { readonly kind: 'silence'; readonly ms: number };

export class Patience {
  readonly #limit: Limit;
  readonly #onOver: () => void;
  #endsMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: Limit, onOver: () => void) {
    this.#limit = limit;
    this.#onOver = onOver;
    this.#endsMs = performance.now() + limit.ms;
    this.#wait();
  }

  /** The server has sent or taken something. */
  heard(): void {
    if (this.#limit.kind === 'silence') this.#endsMs = performance.now() + this.#limit.ms;
  }

  excuse(ms: number): void {
    this.#endsMs += ms;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    const leftMs = this.#endsMs - performance.now();
    // What has come already is read first.
    this.#timer = setTimeout(() => setImmediate(() => this.#look()), Math.max(0, leftMs));
  }

  #look(): void {
    if (performance.now() < this.#endsMs) this.#wait();
    else this.#onOver();
  }
}
