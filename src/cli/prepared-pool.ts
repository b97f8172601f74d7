// What a start has in hand when only the workers are missing: made by prepare-pool.ts, used by who runs the pool.
import type { PoolState, WorkerRecord } from '../core/pool-state.ts';
import type { EventLog } from '../supervisor/interfaces.ts';
import type { Identity } from '../sys/identity.ts';
import type { ListenSocket } from '../sys/listen-socket.ts';
import type { WorkerOomScore } from '../sys/oom-score.ts';
import type { PidFile } from '../sys/pid-file.ts';
import type { PoolFiles } from '../sys/pool-files.ts';
import type { ProcFs } from '../sys/proc-fs.ts';
import type { PoolGiver } from './pool-giver.ts';

export interface PreparedPool {
  readonly socket: ListenSocket;
  readonly address: string;
  readonly identity: Identity;
  readonly files: PoolFiles | undefined;
  readonly pidFile: PidFile | undefined;
  readonly workerPidFiles: readonly PidFile[];
  /** --worker-pid-file, absolute. */
  readonly workerPidPattern: string | undefined;
  readonly log: EventLog | undefined;
  /** To print once the pool is up. */
  readonly laterHints: readonly string[];
  /** Binds the same address once more, as at the start, in the place of that socket; undefined where a supervisor cannot. */
  readonly bindAgain: ((old: number) => ListenSocket) | undefined;
  /** Where clients find a Unix socket, from where we are; undefined: there is no such path any more. */
  readonly clientPath: string | undefined;
  /** Of a Unix socket's file. */
  readonly socketMode: number;
  /** /dev/null, read and write, opened before any chroot. */
  readonly nowhere: number;
  readonly proc: ProcFs | undefined;
  /** With `--ready probe`: a connection to the pool that asks when the first worker accepts it, if there was room for one. */
  readonly readyProbe: number | 'queue-full' | undefined;
  /** Undefined where workers keep ours. */
  readonly oomScore: WorkerOomScore | undefined;
  /** -d as an absolute path, inside the chroot. */
  readonly directory: string | undefined;
  /** The supervisor that gives its pool to us, and what it last said of itself. */
  readonly giver: PoolGiver | undefined;
  readonly giverState: PoolState | undefined;
  /** Workers of a supervisor that was killed: they serve until ours are up. */
  readonly orphans: readonly WorkerRecord[];
  /** The socket was another supervisor's, and its workers still accept on it. */
  readonly isTakingOver: boolean;
  /** As the caller typed it, for people. */
  readonly commandLine: readonly string[];
}
