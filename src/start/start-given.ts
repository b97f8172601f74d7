// What every start has in hand before its first step.
import type { Config } from '../core/config.ts';
import type { Caller } from '../sys/process/caller.ts';
import type { OutputStreams } from '../sys/process/spawn-worker.ts';
import type { ProcFs } from '../sys/proc/proc-fs.ts';
import type { GivenSocket } from './choose-given.ts';
import type { StartJournal } from './start-journal.ts';
import type { Interruption } from './watch-interruption.ts';

export interface Given {
  readonly config: Config;
  readonly caller: Caller;
  /** Hears of everything that a step makes before the next thing is made. */
  readonly journal: StartJournal;
  readonly proc: ProcFs | undefined;
  /** Of --log, when it names one. */
  readonly logDescriptor: number | undefined;
  /** Of --output, when it names one or two; before anything of ours was opened. */
  readonly outputStreams: OutputStreams | undefined;
  /** A socket that the caller has opened, and that is the pool's; undefined: we bind one. */
  readonly given: GivenSocket | undefined;
  /** Copies of sockets of ours that systemd has kept. */
  readonly kept: readonly number[];
  /** Of --notify-fd: somebody waits for a newline there. */
  readonly notifyDescriptor: number | undefined;
  readonly interruption: Pick<Interruption, 'whileWaiting' | 'claimed'>;
}
