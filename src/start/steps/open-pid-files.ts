// Steps of a start: the files of -P and --worker-pid-file. Opened as privileged as we are, and claimed once the pool's lock
// is ours; written once the pool is up.
import { resolve } from 'node:path';
import { forSlot } from '../../core/slot-pattern.ts';
import { PidFile } from '../../sys/file/pid-file.ts';
import type { Claimed } from './claim-place.ts';
import type { Given } from '../start-given.ts';
import type { StartJournal } from '../start-journal.ts';

export interface FoundPidFile {
  /** As it was before the lock was ours. */
  readonly earlyPidFile: PidFile | undefined;
}

/** Looked at first, as 1.6 does, so that its refusal comes before others. */
export function findPidFile({ config }: Pick<Given, 'config'>): FoundPidFile {
  return {
    earlyPidFile: config.pidFile === undefined ? undefined : PidFile.openIfThere(config.pidFile),
  };
}

export interface WithPidFile {
  readonly pidFile: PidFile | undefined;
}

/** A pool that is stopping, here or on another address, may have it still, and removes it at its end. */
export async function claimPidFile({
  config,
  journal,
  claim,
  earlyPidFile,
}: Pick<Given, 'config' | 'journal'> & Claimed & FoundPidFile): Promise<WithPidFile> {
  if (config.pidFile === undefined) return { pidFile: undefined };
  if (earlyPidFile?.pid !== undefined) await claim.others.waitForStop(earlyPidFile.pid);
  const pidFile = open(config.pidFile, earlyPidFile);
  note(pidFile, journal);
  pidFile.claim((pid, file) => claim.others.own(pid, file));
  return { pidFile };
}

/** With the lock: a pool that was stopping may have removed the file that was there. */
function open(path: string, early: PidFile | undefined): PidFile {
  if (early?.isInPlace()) return early;
  early?.close();
  return PidFile.open(path);
}

export interface WithWorkerPidFiles {
  /** By slot; none without --worker-pid-file. */
  readonly workerPidFiles: readonly PidFile[];
  /** --worker-pid-file, absolute. */
  readonly workerPidPattern: string | undefined;
}

export function openWorkerPidFiles({
  config,
  journal,
  claim,
}: Pick<Given, 'config' | 'journal'> & Claimed): WithWorkerPidFiles {
  const pattern = config.workerPidFile;
  if (pattern === undefined) return { workerPidFiles: [], workerPidPattern: undefined };
  const workerPidFiles = Array.from({ length: config.range.max }, (_unused, slot) => {
    const file = PidFile.open(forSlot(pattern, slot));
    note(file, journal);
    file.claim((pid, identity) => claim.others.own(pid, identity));
    return file;
  });
  return { workerPidFiles, workerPidPattern: resolve(pattern) };
}

function note(file: PidFile, journal: StartJournal): void {
  if (file.wasCreated) journal.madePidFile(file, () => file.undo());
  else journal.changed(() => file.restore());
}
