// `--max-memory`: a worker whose session has more in RAM is replaced, the largest first. A program that has more as soon as
// it is up would have it again: it is told of once a generation, and left alone.
import { describeBytes } from '../../core/text/amount-text.ts';
import type { EventLog } from '../../core/machine.ts';
import type { ProcessMemory } from '../../sys/proc/process-memory.ts';
import { BriefLives } from './brief-lives.ts';
import type { Guard, LookedWorker, PoolLook } from './guard.ts';
import { SessionMemory } from './session-memory.ts';

export interface MaxMemoryOptions {
  readonly memory: Pick<ProcessMemory, 'residentBytes' | 'shareBytes'>;
  /** The processes of a worker that is up this moment. */
  readonly familyOf: (pid: number) => readonly number[];
  readonly log: Pick<EventLog, 'write'>;
}

/** Between two looks while somebody is over the limit. */
const hurryMs = 100;

interface Overweight {
  readonly worker: LookedWorker;
  readonly bytes: number;
}

export class MaxMemory implements Guard {
  readonly #limitBytes: number;
  readonly #options: MaxMemoryOptions;
  readonly #sessions: SessionMemory;
  readonly #briefLives = new BriefLives();
  /** PIDs of workers that were seen within the limit. */
  readonly #light = new Set<number>();
  /** Of those that were not at the last look: since when, by PID. */
  readonly #overSinceMs = new Map<number, number>();
  /** Generations of which a worker was within it: the program can do with that. */
  readonly #lightGenerations = new Set<number>();
  readonly #toldGenerations = new Set<number>();

  constructor(limitBytes: number, options: MaxMemoryOptions) {
    this.#limitBytes = limitBytes;
    this.#options = options;
    this.#sessions = new SessionMemory(limitBytes, options.memory);
  }

  /** It is up, and has served nobody yet. */
  promoted(_slot: number, pid: number): void {
    const bytes = this.#sessions.bytesOf(pid, this.#options.familyOf(pid), 0);
    if (bytes > 0 && bytes <= this.#limitBytes) this.#light.add(pid);
  }

  look(look: PoolLook): void {
    this.#forgetGone(look);
    const over = look.turn.flatMap((worker) => this.#weigh(worker, look));
    const [largest] = over.toSorted((one, other) => other.bytes - one.bytes);
    if (largest) this.#answer(largest, look);
  }

  #weigh(worker: LookedWorker, look: PoolLook): Overweight[] {
    const { pid, generation } = worker;
    const bytes = this.#sessions.bytesOf(pid, look.membersOf(pid), look.nowMs);
    if (bytes <= this.#limitBytes) {
      if (bytes > 0) this.#light.add(pid);
      this.#overSinceMs.delete(pid);
    } else if (!this.#overSinceMs.has(pid)) this.#overSinceMs.set(pid, look.nowMs);
    if (this.#light.has(pid)) this.#lightGenerations.add(generation);
    return bytes > this.#limitBytes ? [{ worker, bytes }] : [];
  }

  #answer({ worker, bytes }: Overweight, look: PoolLook): void {
    const { pid, generation, upAtMs } = worker;
    if (!this.#lightGenerations.has(generation)) return this.#tellOfProgram({ worker, bytes });
    if (!this.#briefLives.isDue(look.nowMs)) return;
    // Who is over it, too, has its turn as soon as this one is done.
    look.soon(hurryMs);
    const text = `its memory was ${describeBytes(bytes)} (--max-memory ${describeBytes(this.#limitBytes)})`;
    if (!look.replace(worker, { guard: 'max-memory', text })) return;
    const lifeMs = (this.#overSinceMs.get(pid) ?? look.nowMs) - upAtMs;
    if (this.#briefLives.note(lifeMs, look.nowMs)) this.#tellOfHaste(worker);
  }

  #tellOfProgram({ worker: { slot, pid, generation }, bytes }: Overweight): void {
    if (this.#toldGenerations.has(generation)) return;
    this.#toldGenerations.add(generation);
    const facts = { slot, workerPid: pid, generation, guard: 'max-memory' };
    this.#options.log.write({ event: 'over-from-start', ...facts, bytes, limitBytes: this.#limitBytes });
  }

  #tellOfHaste({ generation }: LookedWorker): void {
    const message = `workers of generation ${generation} reach --max-memory within seconds of being up, and are replaced less often from now on: the limit is too low for the program, or it needs one of the kernel's (--rlimit, cgroup)`;
    this.#options.log.write({ event: 'warning', message });
  }

  #forgetGone({ workers }: PoolLook): void {
    const there = new Set(workers.map(({ pid }) => pid));
    const generations = new Set(workers.map(({ generation }) => generation));
    this.#sessions.keepOnly(there);
    for (const pid of this.#light) if (!there.has(pid)) this.#light.delete(pid);
    for (const pid of this.#overSinceMs.keys()) if (!there.has(pid)) this.#overSinceMs.delete(pid);
    for (const generation of this.#lightGenerations)
      if (!generations.has(generation)) this.#lightGenerations.delete(generation);
  }
}
