// `--output journal`: workers print into a stream to systemd's journal, with the pool's name.
import type { EventLog } from '../../core/machine.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import { reconnectJournal } from '../../sys/log/journal-connection.ts';
import type { Config } from '../../core/config.ts';
import type { Feature, OutputStreams } from '../feature.ts';

export interface JournalOutputOptions {
  readonly descriptor: number;
  readonly config: Pick<Config, 'name' | 'chroot'>;
  readonly log: Pick<EventLog, 'write'>;
  readonly describeErrno: (errno: number) => string;
}

export class JournalOutput implements Feature {
  readonly #options: JournalOutputOptions;
  #hasGeneration = false;

  constructor(options: JournalOutputOptions) {
    this.#options = options;
  }

  streamsOf(): OutputStreams {
    const { descriptor } = this.#options;
    return { stdout: descriptor, stderr: descriptor };
  }

  describe(): Pick<PoolStatus, 'output'> {
    return { output: { target: 'journal', files: [], program: null } };
  }

  /** The first one has what the start has opened. */
  pinning(): void {
    if (this.#hasGeneration) this.reopen();
    this.#hasGeneration = true;
  }

  /** A journald that was started anew without its streams has broken them. From a chroot it is out of reach. */
  reopen(): void {
    const { descriptor, config, log, describeErrno } = this.#options;
    if (config.chroot !== undefined) return;
    const result = reconnectJournal(descriptor, config.name);
    if (result >= 0) return;
    const message = `the journal cannot be connected to: ${describeErrno(-result)}; the old stream stays in use`;
    log.write({ event: 'warning', message });
  }
}
