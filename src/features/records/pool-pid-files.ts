// The PID files of a pool while it runs: its own, and the one of each slot. Knows whom each names.
import { noProcess } from '../../core/no-process.ts';
import type { PidFile } from '../../sys/file/pid-file.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';

export interface PoolPidFilesOptions {
  readonly prepared: Pick<PreparedPool, 'pidFile' | 'workerPidFiles'>;
  /** Nothing may be written now. */
  readonly isSilent: () => boolean;
  /** Hears of a file that cannot be written, once. */
  readonly warn: (message: string) => void;
}

export class PoolPidFiles {
  readonly #options: PoolPidFilesOptions;
  /** Whom each slot's file names. */
  readonly #named = new Map<number, number>();
  /** Slots whose worker ended, and whose file names it still. */
  readonly #outdated = new Set<number>();
  /** Files whose last write failed. */
  readonly #unwritable = new Set<PidFile>();

  constructor(options: PoolPidFilesOptions) {
    this.#options = options;
  }

  get all(): readonly PidFile[] {
    const { pidFile, workerPidFiles } = this.#options.prepared;
    return pidFile ? [pidFile, ...workerPidFiles] : workerPidFiles;
  }

  name(slot: number, pid: number): void {
    this.#named.set(slot, pid);
    this.#outdated.delete(slot);
    this.#writeSlot(slot, pid);
  }

  /** Its file will name nobody, if it is the one whom that names; see nameNobody. */
  ended(slot: number, pid: number): void {
    if (this.#named.get(slot) !== pid) return;
    this.#named.delete(slot);
    this.#outdated.add(slot);
  }

  /** In the files of slots whose worker has had no successor meanwhile. */
  nameNobody(): void {
    for (const slot of this.#outdated) this.#writeSlot(slot, noProcess);
    this.#outdated.clear();
  }

  /** Once more what they say. */
  writeAll(): void {
    this.#write(this.#options.prepared.pidFile, process.pid);
    for (const [slot, pid] of this.#named) this.#writeSlot(slot, pid);
  }

  #writeSlot(slot: number, pid: number): void {
    this.#write(this.#options.prepared.workerPidFiles[slot], pid);
  }

  #write(file: PidFile | undefined, pid: number): void {
    if (!file || this.#options.isSilent()) return;
    try {
      file.write(String(pid));
      this.#unwritable.delete(file);
    } catch (error) {
      if (this.#unwritable.has(file)) return;
      this.#unwritable.add(file);
      this.#options.warn(`PID file '${file.absolutePath}' is not true any more: ${(error as Error).message}`);
    }
  }
}
