// `--output FILE`: gives each worker its file, and opens files anew when somebody asks for it, or a new generation begins.
// Reads and writes nothing of what workers print.
import type { EventLog } from '../../core/machine.ts';
import { listenTo } from '../../sys/log/file-words.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import type { OutputFiles } from '../../sys/log/output-files.ts';
import type { Feature, OutputStreams, ProcessPlace } from '../feature.ts';

export interface FileOutputOptions {
  readonly files: OutputFiles;
  /** As written. */
  readonly pattern: string;
  readonly log: Pick<EventLog, 'write'>;
}

export class FileOutput implements Feature {
  readonly #options: FileOutputOptions;
  readonly #withoutFile = new Set<number>();
  #hasGeneration = false;

  constructor(options: FileOutputOptions) {
    this.#options = options;
  }

  streamsOf({ slot }: ProcessPlace): OutputStreams {
    this.#needFile(slot);
    const { descriptor } = this.#options.files.of(slot);
    return { stdout: descriptor, stderr: descriptor };
  }

  describe(): Pick<PoolStatus, 'output'> {
    const { files, pattern } = this.#options;
    return { output: { target: pattern, files: files.paths, program: null } };
  }

  listenTo({ slot }: ProcessPlace): () => string[] {
    return listenTo(this.#options.files.of(slot));
  }

  /** The first one has what the start has opened. */
  pinning(): void {
    if (this.#hasGeneration) this.reopen();
    this.#hasGeneration = true;
  }

  reopen(): void {
    // Somebody may have made the file meanwhile.
    for (const slot of this.#withoutFile) this.#addFile(slot);
    for (const { message } of this.#options.files.reopen())
      this.#warn(`${message}; the old file stays in use`);
  }

  #needFile(slot: number): void {
    if (this.#withoutFile.has(slot)) return;
    const problem = this.#addFile(slot);
    if (problem === undefined) return;
    this.#withoutFile.add(slot);
    this.#warn(`${problem}; what worker ${slot} prints goes to the file of worker 0`);
  }

  /** Why the slot has none. */
  #addFile(slot: number): string | undefined {
    try {
      this.#options.files.add(slot);
      this.#withoutFile.delete(slot);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #warn(message: string): void {
    this.#options.log.write({ event: 'warning', message });
  }
}
