// The words of the control socket (docs/control-protocol.md), for both sides: types,
// limits, and parsers that take any bytes. Opens no socket, knows no clock.

import type { ReloadResult } from '../core/operations/rollout.ts';

export const protocolVersion = 1;

export const limits = {
  requestBytes: 4096,
  /** A status of 65535 workers has about 20 MB; a line beyond this is not one of ours. */
  answerBytes: 64 * 1024 * 1024,
  maxWorkers: 65_535,
} as const;

/** `+1`, `-2`: a difference to the number of workers. */
export type WorkerDifference = `${'+' | '-'}${number}`;

export type ControlRequest =
  | { readonly command: 'ping' | 'status' | 'stop' | 'reload' | 'restart' }
  | { readonly command: 'scale'; readonly workers: number | WorkerDifference }
  /** Its fields are those of docs/handover.md; whoever serves it judges them. */
  | { readonly command: 'handover'; readonly fields: Readonly<Record<string, unknown>> };

export const controlErrors = [
  'version',
  'malformed',
  'too-long',
  'unknown-command',
  'invalid',
  'busy',
  'stopping',
  'failed',
] as const;
export type ControlError = (typeof controlErrors)[number];

/** The exit status of spawn-fcgictl that a refusal has, for the `status` of the result. */
export const statusOfError: Readonly<Record<ControlError, number>> = {
  version: 7,
  malformed: 1,
  'too-long': 1,
  'unknown-command': 7,
  invalid: 255,
  busy: 6,
  stopping: 1,
  failed: 1,
};

/** How a reload ended, and its exit status. */
export const statusOfReload: Readonly<Record<ReloadResult, number>> = {
  reloaded: 0,
  'rolled-back': 1,
  partly: 2,
  'timed-out': 3,
};

const phases = ['starting', 'serving', 'stopping'] as const;
const workerStates = ['starting', 'running', 'stopping', 'backoff', 'exited'] as const;
const activities = ['busy', 'idle', 'unknown'] as const;
const socketFiles = ['ours', 'gone', 'replaced'] as const;
const servings = ['yes', 'no', 'unknown'] as const;

export interface WorkerStatus {
  readonly slot: number;
  /** Null: the slot has no process. */
  readonly pid: number | null;
  readonly generation: number;
  readonly state: (typeof workerStates)[number];
  /** Null without a process. */
  readonly uptimeMs: number | null;
  readonly activity: (typeof activities)[number];
  readonly restarts: number;
  /** For people, such as `was killed by SIGKILL`; null when none ended yet. */
  readonly lastExit: string | null;
  /** Until the slot is filled again; null when it does not wait. */
  readonly nextTryMs: number | null;
  /** Processes of the worker's session. */
  readonly pids: readonly number[];
}

/** A pool without its workers: the answer to `ping`. */
export interface PoolSummary {
  readonly name: string;
  readonly address: string;
  readonly pid: number;
  /** Of the program, as in `spawn-fcgi -v`. */
  readonly version: string;
  readonly phase: (typeof phases)[number];
  readonly generation: number;
  readonly uptimeMs: number;
  readonly wanted: number;
  readonly idle: number;
  readonly busy: number;
  /** Whether a running worker is seen to wait for connections or to work on one; unknown: nobody may look. */
  readonly serving: (typeof servings)[number];
  /** Slots that wait for their next try. */
  readonly backoff: number;
  /** Connections that wait to be accepted; null where the kernel does not tell. */
  readonly queue: { readonly length: number; readonly backlog: number } | null;
  /** What became of the socket's file: unless it is `ours`, nobody can connect. Null: there is none, as on TCP. */
  readonly socketFile: (typeof socketFiles)[number] | null;
  /** Why no client can reach the socket, for people; null: nothing speaks against it. */
  readonly unreachable: string | null;
  readonly operation: { readonly kind: string; readonly sinceMs: number; readonly step: string } | null;
  readonly lastReload: {
    readonly result: ReloadResult;
    readonly agoMs: number;
    readonly message: string;
    /** What the program said last on its trial, a line each; control characters are escaped. */
    readonly words: readonly string[];
  } | null;
  readonly command: readonly string[];
  readonly pidFile: string | null;
  readonly stopTimeoutMs: number;
}

/** A process that has left the session of its worker and holds the listening socket. */
export interface SocketHolderStatus {
  readonly pid: number;
  readonly name: string;
  /** Of the live worker that it descends from; null: that has ended, or its own parent has. */
  readonly slot: number | null;
}

export interface PoolStatus extends PoolSummary {
  /** Missing from an older supervisor. */
  readonly socketHolders?: readonly SocketHolderStatus[];
  readonly workers: readonly WorkerStatus[];
}

export type ControlResult =
  | {
      readonly ok: true;
      readonly status: number;
      readonly message: string;
      readonly pool?: PoolSummary | PoolStatus;
    }
  | { readonly ok: false; readonly status: number; readonly message: string; readonly error: ControlError };

/** A request line that is none: what to answer. */
export interface RequestMistake {
  readonly error: 'version' | 'malformed' | 'unknown-command' | 'invalid';
  readonly message: string;
}

/** One line of the server's, as the client reads it. */
export type Answer =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'result'; readonly result: ControlResult }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'malformed' };

export function formatRequest(request: ControlRequest): string {
  const { command } = request;
  const further =
    command === 'handover' ? request.fields : command === 'scale' ? { workers: request.workers } : {};
  return formatLine({ command, ...further });
}

export function formatProgress(text: string): string {
  return formatLine({ progress: text });
}

export function formatResult(result: ControlResult): string {
  return formatLine({ ...result });
}

/** JSON escapes newlines, so that every object is one line. */
function formatLine(fields: object): string {
  return `${JSON.stringify({ v: protocolVersion, ...fields })}\n`;
}

/** The result line of a refusal, with the exit status that belongs to it. */
export function refusal(error: ControlError, message: string): ControlResult {
  return { ok: false, status: statusOfError[error], message, error };
}

/** Reads a request line; anything that is none gives the refusal to answer with. Fields that we do not know are ignored. */
export function parseRequest(line: string): ControlRequest | RequestMistake {
  const fields = parseObject(line);
  if (!fields || !isCount(fields['v']))
    return { error: 'malformed', message: 'not a request of one JSON object' };
  if (fields['v'] !== protocolVersion) {
    return { error: 'version', message: `protocol version ${protocolVersion}, not ${fields['v']}` };
  }
  const { v: _version, command, ...further } = fields;
  switch (command) {
    case 'ping':
    case 'status':
    case 'stop':
    case 'reload':
    case 'restart':
      return { command };
    case 'scale':
      return isWorkers(further['workers'])
        ? { command, workers: further['workers'] }
        : {
            error: 'invalid',
            message: `workers is a number from 1 to ${limits.maxWorkers}, or a difference such as "+1"`,
          };
    case 'handover':
      return { command, fields: further };
    default:
      return typeof command === 'string'
        ? { error: 'unknown-command', message: `unknown command '${command.slice(0, 40)}'` }
        : { error: 'malformed', message: 'a request has a command' };
  }
}

/** Reads a line of the server's; what is not one of this protocol is `malformed`. */
export function parseAnswer(line: string): Answer {
  const fields = parseObject(line);
  if (!fields || !isCount(fields['v'])) return { kind: 'malformed' };
  if (fields['v'] !== protocolVersion) return { kind: 'version', version: fields['v'] };
  if (typeof fields['progress'] === 'string') return { kind: 'progress', text: fields['progress'] };
  const { v: _version, ...result } = fields;
  return isResult(result) ? { kind: 'result', result } : { kind: 'malformed' };
}

/** The number of workers that a `scale` asks for, never below 1 nor above the limit. */
export function scaledTo(workers: number | WorkerDifference, current: number): number {
  const wanted = typeof workers === 'number' ? workers : current + Number(workers);
  return Math.min(Math.max(wanted, 1), limits.maxWorkers);
}

function isWorkers(value: unknown): value is number | WorkerDifference {
  if (typeof value === 'string') return /^[+-]\d{1,5}$/.test(value);
  return isCount(value) && value >= 1 && value <= limits.maxWorkers;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

type Fields = Record<string, unknown>;

function isResult(fields: Fields): fields is Fields & ControlResult {
  if (!isExitStatus(fields['status']) || typeof fields['message'] !== 'string') return false;
  if (fields['ok'] === false) return isOneOf(controlErrors, fields['error']);
  return fields['ok'] === true && (fields['pool'] === undefined || isPool(fields['pool']));
}

function isPool(value: unknown): value is PoolSummary | PoolStatus {
  if (!isPoolSummary(value)) return false;
  if (!('workers' in value)) return true;
  const areHolders = !('socketHolders' in value) || isListOf(value.socketHolders, isSocketHolder);
  return areHolders && isListOf(value.workers, isWorkerStatus);
}

/** Whether the answer has the workers, as that to `status` must. */
export function hasWorkers(pool: PoolSummary | PoolStatus | undefined): pool is PoolStatus {
  return pool !== undefined && 'workers' in pool;
}

function isPoolSummary(value: unknown): value is PoolSummary {
  return (
    isObject(value) &&
    hasText(value, 'name', 'address', 'version') &&
    hasCounts(value, 'pid', 'generation', 'wanted', 'idle', 'busy', 'backoff') &&
    isOneOf(servings, value['serving']) &&
    hasTimes(value, 'uptimeMs', 'stopTimeoutMs') &&
    isOneOf(phases, value['phase']) &&
    isNullOr(value['socketFile'], (file) => isOneOf(socketFiles, file)) &&
    isNullOr(value['queue'], (queue) => isObject(queue) && hasCounts(queue, 'length', 'backlog')) &&
    isNullOr(value['unreachable'], isText) &&
    isNullOr(value['operation'], isOperation) &&
    isNullOr(value['lastReload'], isLastReload) &&
    isListOf(value['command'], isText) &&
    isNullOr(value['pidFile'], isText)
  );
}

function isOperation(value: unknown): boolean {
  return isObject(value) && hasText(value, 'kind', 'step') && hasTimes(value, 'sinceMs');
}

function isLastReload(value: unknown): boolean {
  return (
    isObject(value) &&
    isOneOf(Object.keys(statusOfReload), value['result']) &&
    hasTimes(value, 'agoMs') &&
    isText(value['message']) &&
    isListOf(value['words'], isText)
  );
}

function isSocketHolder(value: unknown): value is SocketHolderStatus {
  return (
    isObject(value) && hasCounts(value, 'pid') && isText(value['name']) && isNullOr(value['slot'], isCount)
  );
}

function isWorkerStatus(value: unknown): value is WorkerStatus {
  return (
    isObject(value) &&
    hasCounts(value, 'slot', 'generation', 'restarts') &&
    isNullOr(value['pid'], isCount) &&
    isOneOf(workerStates, value['state']) &&
    isOneOf(activities, value['activity']) &&
    isNullOr(value['uptimeMs'], isTime) &&
    isNullOr(value['nextTryMs'], isTime) &&
    isNullOr(value['lastExit'], isText) &&
    isListOf(value['pids'], isCount)
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0;
}

function isExitStatus(value: unknown): value is number {
  return isCount(value) && value <= 255;
}

function isOneOf<T extends string>(known: readonly T[], value: unknown): value is T {
  return known.some((one) => one === value);
}

function isNullOr(value: unknown, check: (value: unknown) => boolean): boolean {
  return value === null || check(value);
}

function isListOf<T>(value: unknown, check: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(check);
}

function hasText(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isText(fields[name]));
}

function hasCounts(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isCount(fields[name]));
}

function hasTimes(fields: Fields, ...names: readonly string[]): boolean {
  return names.every((name) => isTime(fields[name]));
}
