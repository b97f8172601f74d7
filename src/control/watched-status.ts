// Fields of a pool's status for those who watch it: types only.
import type { socketFiles } from './protocol.ts';

/** What has happened since the pool came up under this supervisor, for those who count. */
export interface PoolCounts {
  /** Workers that ended unasked or could not be started, by the reason; every reason is there, with 0 at least. */
  readonly restarts: Readonly<Record<string, number>>;
  /** Reloads that are over, by their result. */
  readonly reloads: Readonly<Record<string, number>>;
}

/** All of them are missing from an older supervisor. */
export interface WatchedStatus {
  readonly counts?: PoolCounts;
  /** The address of --status-socket, and what became of its file. Missing without the option. */
  readonly statusSocket?: {
    readonly address: string;
    readonly file: (typeof socketFiles)[number] | null;
  };
  /** The most that was seen by those who have asked at the status socket. Missing before the first one. */
  readonly peaks?: { readonly queue: number; readonly active: number };
}
