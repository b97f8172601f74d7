// What a pool writes down about itself: hints for people and for the next start.
// A reader checks every fact against the kernel before it acts on it.
import type { StopMethod } from './config.ts';

export interface PoolState {
  readonly version: 1;
  readonly phase: 'starting' | 'serving' | 'stopping';
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  /** Clock ticks since boot, as in /proc/PID/stat; in the file by the boot clock of the initial time namespace. */
  readonly startTime: string;
  /**
   * Inodes of the listening socket, and of the one of a worker on trial: they tell workers that nobody
   * could write down any more.
   */
  readonly sockets: readonly string[];
  /** Device and inode of the socket's file; undefined: it has none, or an older version wrote this. */
  readonly socketFile?: string | undefined;
  /** The listening socket is somebody else's, who calls it so; undefined: ours, or an older version wrote this. */
  readonly given?: string | undefined;
  /** Whom the workers run as. */
  readonly workerUid: number;
  /** The inode of the PID namespace that all PIDs here are of; undefined: unknown, or an older version wrote this. */
  readonly pidNamespace?: string | undefined;
  /** Name of the control socket beside this file; undefined: none. */
  readonly control: string | undefined;
  readonly stopTimeoutMs: number;
  /** How the workers are ended; undefined of an older supervisor. */
  readonly stopMethod?: StopMethod | undefined;
  readonly pidFile: string | undefined;
  /** The pattern of --worker-pid-file; absolute. */
  readonly workerPidFile?: string | undefined;
  readonly workers: readonly WorkerRecord[];
  /** What features remember, by their names; whoever has the name judges it. Undefined: nothing, or an older version. */
  readonly memories?: Readonly<Record<string, unknown>> | undefined;
}

export interface WorkerRecord {
  /** Undefined: it waits beside the slots, as a spare. */
  readonly slot?: number | undefined;
  readonly pid: number;
  readonly startTime: string;
  /** Where that is not its own: it has left that of its worker, and keeps the listening socket. */
  readonly session?: number | undefined;
}

/** The same state with every start time put differently. */
export function withStartTimes(state: PoolState, put: (startTime: string) => string): PoolState {
  const workers = state.workers.map((worker) => ({ ...worker, startTime: put(worker.startTime) }));
  return { ...state, startTime: put(state.startTime), workers };
}

/** A state as one line of a state file: its number is at both ends, which tells one that was written by half. */
export function formatPoolState(state: PoolState, sequence: number): string {
  return JSON.stringify({ sequence, ...state, end: sequence });
}

/** A state and where its line is in the text. */
export interface StoredState {
  readonly state: PoolState;
  readonly sequence: number;
  readonly offset: number;
  readonly length: number;
}

/** The newest whole state of a state file, which has the one before as well; undefined: none of this version. */
export function findPoolState(text: string): StoredState | undefined {
  let newest: StoredState | undefined;
  for (const { 0: line, index: offset } of text.matchAll(/[^\n]+/g)) {
    const found = parseLine(line);
    if (found && found.sequence > (newest?.sequence ?? -1))
      newest = { ...found, offset, length: line.length };
  }
  return newest;
}

export function parsePoolState(text: string): PoolState | undefined {
  return findPoolState(text)?.state;
}

function parseLine(line: string): Pick<StoredState, 'state' | 'sequence'> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  // A state alone in its file needs no number.
  const { sequence = 0, end = 0, memories, ...known } = value as Partial<Record<string, unknown>>;
  if (typeof sequence !== 'number' || sequence !== end) return undefined;
  // The pool does not depend on them.
  const state = isRecord(memories) ? { ...known, memories } : known;
  return isPoolState(state) ? { state, sequence } : undefined;
}

function isPoolState(value: unknown): value is PoolState {
  if (typeof value !== 'object' || value === null) return false;
  const state = value as Partial<Record<keyof PoolState, unknown>>;
  return (
    state.version === 1 &&
    (state.phase === 'starting' || state.phase === 'serving' || state.phase === 'stopping') &&
    typeof state.name === 'string' &&
    typeof state.address === 'string' &&
    isPid(state.pid) &&
    typeof state.startTime === 'string' &&
    typeof state.stopTimeoutMs === 'number' &&
    typeof state.workerUid === 'number' &&
    Number.isInteger(state.workerUid) &&
    Array.isArray(state.sockets) &&
    state.sockets.every((inode) => typeof inode === 'string' && /^\d+$/.test(inode)) &&
    (state.control === undefined || (typeof state.control === 'string' && isPlainName(state.control))) &&
    (state.stopMethod === undefined || isStopMethod(state.stopMethod)) &&
    isOptionalString(state.pidFile) &&
    isOptionalString(state.socketFile) &&
    isOptionalString(state.given) &&
    isOptionalString(state.pidNamespace) &&
    isOptionalString(state.workerPidFile) &&
    Array.isArray(state.workers) &&
    state.workers.every(isWorkerRecord)
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWorkerRecord(value: unknown): value is WorkerRecord {
  const record = value as Partial<Record<keyof WorkerRecord, unknown>> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    (record.slot === undefined || Number.isInteger(record.slot)) &&
    isPid(record.pid) &&
    record.pid > 1 &&
    typeof record.startTime === 'string' &&
    (record.session === undefined || isPid(record.session))
  );
}

function isStopMethod(value: unknown): value is StopMethod {
  return typeof value === 'string' && /^(?:auto|idle-kill|SIG[A-Z0-9]+)$/.test(value);
}

function isOptionalString(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

/** A name in the directory, never a path out of it. */
function isPlainName(name: string): boolean {
  return name !== '' && !name.includes('/') && name !== '.' && name !== '..';
}

function isPid(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0;
}
