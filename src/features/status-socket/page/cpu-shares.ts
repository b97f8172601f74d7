// How much of a processor somebody takes: by the processor time of two answers. Pure.

interface Spent {
  readonly cpuMs: number;
  readonly atMs: number;
  readonly share: number | undefined;
}

/** Closer answers than that would show the kernel's ticks. */
const apartMs = 1000;

export class CpuShares {
  readonly #spent = new Map<string, Spent>();

  /** In percent of one processor; undefined before the second answer. `who` names somebody for good. */
  note(who: string, cpuMs: number | undefined, nowMs: number): number | undefined {
    if (cpuMs === undefined) return undefined;
    const before = this.#spent.get(who);
    if (before && nowMs - before.atMs < apartMs) return before.share;
    const share = before && Math.max(0, ((cpuMs - before.cpuMs) / (nowMs - before.atMs)) * 100);
    this.#spent.set(who, { cpuMs, atMs: nowMs, share });
    return share;
  }

  /** Who was not told of for a minute is forgotten. */
  forget(nowMs: number): void {
    for (const [who, { atMs }] of this.#spent) if (nowMs - atMs > 60_000) this.#spent.delete(who);
  }
}
