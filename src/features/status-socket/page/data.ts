// What the page is told of the pool: the answer to `?html&data`, a JSON object. Types only, for both sides.

/** Null: the kernel does not tell, or nobody may look. */
export interface PageData {
  /** Names the page that belongs to this supervisor: another one is to be loaded anew. */
  readonly page: string;
  readonly name: string;
  readonly address: string;
  /** The supervisor's. */
  readonly pid: number;
  readonly version: string;
  readonly upMs: number;
  readonly health: {
    readonly kind: 'serving' | 'saturated' | 'unknown' | 'not-serving';
    readonly text: string;
  };
  readonly wanted: number;
  readonly generation: number;
  readonly queue: { readonly length: number; readonly backlog: number } | null;
  readonly operation: { readonly kind: string; readonly sinceMs: number; readonly step: string } | null;
  readonly lastReload: PageReload | null;
  readonly restarts: Readonly<Record<string, number>>;
  readonly reloads: Readonly<Record<string, number>>;
  /** Workers that guards had replaced, by the guard. */
  readonly replaced?: Readonly<Record<string, number>> | undefined;
  readonly slowRequests?: number | undefined;
  readonly stuckRequests?: number | undefined;
  readonly scaling: { readonly min: number; readonly max: number; readonly last: string | null } | null;
  readonly supervisor: PageUsage | null;
  /** Of all workers, ended ones included. */
  readonly cpuMs: number | null;
  readonly workers: readonly PageWorker[];
  /** Null: without --spare. */
  readonly spares: { readonly wanted: number; readonly workers: readonly PageSpare[] } | null;
  /** The looks of the last ten minutes, oldest first: not evenly spaced, since nobody looks who is not asked. */
  readonly looks: readonly PageLook[];
  /** Php-fpm's names, with their values for people. */
  readonly figures: Readonly<Record<string, string>>;
  /** What may have secrets in it. Null: everybody may ask at this socket. */
  readonly inside: PageInside | null;
}

export interface PageInside {
  /** The file that new workers execute. */
  readonly release: string;
  /** Oldest first. */
  readonly events: readonly PageEvent[];
  /** Of the last reload. */
  readonly message: string;
  /** What the program said last on its trial. */
  readonly words: readonly string[];
}

export interface PageUsage {
  readonly rssBytes: number;
  readonly cpuMs: number;
}

export interface PageReload {
  readonly result: string;
  readonly agoMs: number;
}

/** How long ago, connections that waited, workers that held one, workers that were up. */
export type PageLook = readonly [agoMs: number, queue: number | null, active: number, up: number];

export interface PageEvent {
  readonly agoMs: number;
  readonly severity: 'err' | 'warning' | 'notice' | 'info';
  readonly text: string;
}

export type WorkerWord =
  'busy' | 'kept' | 'idle' | 'unknown' | 'starting' | 'stopping' | 'backoff' | 'exited';

/** What is not there is left out. */
export interface PageWorker {
  readonly slot: number;
  readonly pid?: number | undefined;
  readonly generation: number;
  readonly state: WorkerWord;
  readonly upMs?: number | undefined;
  /** Of its session; left out: one. */
  readonly processes?: number | undefined;
  readonly restarts?: number | undefined;
  readonly lastExit?: string | undefined;
  readonly nextTryMs?: number | undefined;
  readonly requestAgeMs?: number | undefined;
  readonly usage?: PageUsage | undefined;
}

export interface PageSpare {
  readonly pid: number;
  readonly generation: number;
  readonly state: 'starting' | 'up' | 'ready' | 'ending';
  readonly upMs: number;
  readonly usage?: PageUsage | undefined;
}
