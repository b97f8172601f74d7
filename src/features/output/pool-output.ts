// --output: the feature that gives workers their descriptors 1 and 2, by where these lead.
import type { Clock, EventLog } from '../../core/machine.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { Feature } from '../feature.ts';
import { DiscardNote } from './discard-note.ts';
import { FileOutput } from './file-output.ts';
import { JournalOutput } from './journal-output.ts';
import { ProgramOutput } from './program-output.ts';

export interface PoolOutputParts {
  readonly prepared: PreparedPool;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly signalName: (signal: number) => string | undefined;
  readonly describeErrno: (errno: number) => string;
  /** The start fails. */
  readonly refuse: (reason: string, hints: readonly string[]) => void;
}

/** Without --output workers have what they have by the model. */
export function poolOutput(parts: PoolOutputParts): Feature {
  const { prepared, log } = parts;
  const { output, config } = prepared;
  switch (output?.kind) {
    case undefined:
      return config.model === 'background' ? new DiscardNote(log) : {};
    case 'streams':
      return {
        streamsOf: () => output,
        describe: () => ({ output: { target: output.target, files: [], program: null } }),
      };
    case 'files':
      return new FileOutput({ ...output, log });
    case 'journal':
      return new JournalOutput({ ...parts, ...output, config });
    case 'program':
      return new ProgramOutput({ ...parts, ...output });
  }
}
