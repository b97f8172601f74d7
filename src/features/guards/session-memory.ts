// How much memory the session of a worker has, against a limit: pages that processes share are counted once, but only where
// counting them for each process, which costs a hundredth, shows more than the limit.
import type { ProcessMemory } from '../../sys/proc/process-memory.ts';

/** Others may have ended that shared pages with it. */
const goodForMs = 30_000;

/** Within the limit although its processes, counted one by one, have more. */
interface Reading {
  readonly shareBytes: number;
  readonly untilMs: number;
  /** As long as they have no more than that. */
  readonly untilBytes: number;
}

export class SessionMemory {
  readonly #limitBytes: number;
  readonly #memory: Pick<ProcessMemory, 'residentBytes' | 'shareBytes'>;
  readonly #readings = new Map<number, Reading>();

  constructor(limitBytes: number, memory: Pick<ProcessMemory, 'residentBytes' | 'shareBytes'>) {
    this.#limitBytes = limitBytes;
    this.#memory = memory;
  }

  /** Of these processes; above the limit it is what they would give back. 0: nobody is there any more. */
  bytesOf(leader: number, members: readonly number[], nowMs: number): number {
    const residentBytes = sumOf(members, (pid) => this.#memory.residentBytes(pid));
    const last = this.#readings.get(leader);
    if (last && residentBytes <= last.untilBytes && nowMs < last.untilMs) return last.shareBytes;
    this.#readings.delete(leader);
    if (residentBytes <= this.#limitBytes) return residentBytes;
    const shareBytes = sumOf(
      members,
      (pid) => this.#memory.shareBytes(pid) ?? this.#memory.residentBytes(pid),
    );
    const roomBytes = this.#limitBytes - shareBytes;
    // What it grows by until then is half of what it may: the next reading comes before it is over.
    if (roomBytes >= 0)
      this.#readings.set(leader, {
        shareBytes,
        untilMs: nowMs + goodForMs,
        untilBytes: residentBytes + roomBytes / 2,
      });
    return shareBytes;
  }

  /** Who is not among these has ended. */
  keepOnly(leaders: ReadonlySet<number>): void {
    for (const leader of this.#readings.keys()) if (!leaders.has(leader)) this.#readings.delete(leader);
  }
}

function sumOf(pids: readonly number[], bytesOf: (pid: number) => number | undefined): number {
  return pids.reduce((sum, pid) => sum + (bytesOf(pid) ?? 0), 0);
}
