// Reads the lines of a control socket's server: any bytes, of which only what has every field of this protocol counts.
import { isLogPlace } from '../core/log-target.ts';
import {
  controlErrors,
  phases,
  protocolVersion,
  servings,
  socketFiles,
  statusOfReload,
  workerActivities,
  workerStates,
  type Answer,
  type ControlResult,
  type PoolStatus,
  type PoolSummary,
  type SocketHolderStatus,
  type WorkerStatus,
} from './protocol.ts';
import { spareStates, type SpareStatus } from './spare-status.ts';
import {
  hasCounts,
  hasText,
  hasTimes,
  isCount,
  isExitStatus,
  isListOf,
  isMissingOr,
  isNullOr,
  isObject,
  isOneOf,
  isText,
  isTime,
  parseObject,
  type Fields,
} from './json-fields.ts';

/** Reads a line of the server's; what is not one of this protocol is `malformed`. */
export function parseAnswer(line: string): Answer {
  const fields = parseObject(line);
  if (!fields || !isCount(fields['v'])) return { kind: 'malformed' };
  if (fields['v'] !== protocolVersion) return { kind: 'version', version: fields['v'] };
  if (typeof fields['progress'] === 'string') return { kind: 'progress', text: fields['progress'] };
  const { v: _version, ...result } = fields;
  if (!('ok' in result)) return { kind: 'own', fields: result };
  return isResult(result) ? { kind: 'result', result } : { kind: 'malformed' };
}

function isResult(fields: Fields): fields is Fields & ControlResult {
  if (!isExitStatus(fields['status']) || typeof fields['message'] !== 'string') return false;
  if (fields['ok'] === false) return isOneOf(controlErrors, fields['error']);
  return fields['ok'] === true && (fields['pool'] === undefined || isPool(fields['pool']));
}

function isPool(value: unknown): value is PoolSummary | PoolStatus {
  return hasAll(value, summaryFields) && (!('workers' in value) || hasAll(value, statusFields));
}

/** What each field has to be: one without a check does not compile. */
type Checks<Row> = { readonly [Field in keyof Row]-?: (value: unknown) => boolean };

function hasAll<Row>(value: unknown, checks: Checks<Row>): value is Row & Fields {
  const all = Object.entries<(field: unknown) => boolean>(checks);
  return isObject(value) && all.every(([name, isGood]) => isGood(value[name]));
}

const summaryFields: Checks<PoolSummary> = {
  name: isText,
  address: isText,
  version: isText,
  pid: isCount,
  generation: isCount,
  wanted: isCount,
  idle: isCount,
  busy: isCount,
  kept: (value) => isMissingOr(value, isCount),
  backoff: isCount,
  serving: (value) => isOneOf(servings, value),
  phase: (value) => isOneOf(phases, value),
  uptimeMs: isTime,
  stopTimeoutMs: isTime,
  socketFile: (value) => isNullOr(value, (file) => isOneOf(socketFiles, file)),
  queue: (value) => isNullOr(value, (queue) => isObject(queue) && hasCounts(queue, 'length', 'backlog')),
  unreachable: (value) => isNullOr(value, isText),
  given: (value) => isMissingOr(value, isText),
  operation: (value) => isNullOr(value, isOperation),
  lastReload: (value) => isNullOr(value, isLastReload),
  command: (value) => isListOf(value, isText),
  pidFile: (value) => isNullOr(value, isText),
};

/** What a status has besides; an optional field may be missing. */
const statusFields: Checks<Omit<PoolStatus, keyof PoolSummary>> = {
  socketHolders: (value) => isMissingOr(value, (holders) => isListOf(holders, isSocketHolder)),
  log: (value) => isMissingOr(value, isLogPlace),
  spares: (value) => isMissingOr(value, isSpares),
  output: (value) => isMissingOr(value, isOutput),
  scaling: (value) => isMissingOr(value, isScaling),
  replaced: (value) => isMissingOr(value, isTally),
  counts: (value) => isMissingOr(value, isCounts),
  statusSocket: (value) => isMissingOr(value, isStatusSocket),
  peaks: (value) => isMissingOr(value, (peaks) => isObject(peaks) && hasCounts(peaks, 'queue', 'active')),
  slowRequests: (value) => isMissingOr(value, isCount),
  stuckRequests: (value) => isMissingOr(value, isCount),
  workers: (value) => isListOf(value, (worker) => hasAll(worker, workerFields)),
};

const workerFields: Checks<WorkerStatus> = {
  slot: isCount,
  pid: (value) => isNullOr(value, isCount),
  generation: isCount,
  state: (value) => isOneOf(workerStates, value),
  uptimeMs: (value) => isNullOr(value, isTime),
  activity: (value) => isOneOf(workerActivities, value),
  restarts: isCount,
  lastExit: (value) => isNullOr(value, isText),
  nextTryMs: (value) => isNullOr(value, isTime),
  pids: (value) => isListOf(value, isCount),
  requestAgeMs: (value) => isMissingOr(value, (age) => isNullOr(age, isTime)),
  replaced: (value) => isMissingOr(value, (last) => isNullOr(last, isReplaced)),
};

const spareFields: Checks<SpareStatus> = {
  pid: isCount,
  generation: isCount,
  state: (value) => isOneOf(spareStates, value),
  uptimeMs: isTime,
  pids: (value) => isListOf(value, isCount),
};

function isSpares(value: unknown): boolean {
  return (
    isObject(value) &&
    hasCounts(value, 'wanted') &&
    typeof value['isPossible'] === 'boolean' &&
    isListOf(value['workers'], (worker) => hasAll(worker, spareFields))
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

function isScaling(value: unknown): boolean {
  return (
    isObject(value) &&
    hasCounts(value, 'min', 'max') &&
    isNullOr(value['processors'], isCount) &&
    isNullOr(value['note'], isText) &&
    isNullOr(
      value['last'],
      (last) =>
        isObject(last) && hasCounts(last, 'from', 'to') && hasText(last, 'reason') && hasTimes(last, 'agoMs'),
    )
  );
}

function isReplaced(value: unknown): boolean {
  return (
    isObject(value) &&
    hasCounts(value, 'count') &&
    hasText(value, 'guard', 'reason') &&
    hasTimes(value, 'agoMs')
  );
}

function isCounts(value: unknown): boolean {
  return isObject(value) && [value['restarts'], value['reloads']].every(isTally);
}

/** Each is a metric: more than any of ours will have would drown those of other pools. */
const mostNames = 100;

/** Names are the supervisor's, which may be newer. */
function isTally(value: unknown): boolean {
  if (!isObject(value)) return false;
  const counts = Object.values(value);
  return counts.length <= mostNames && counts.every(isCount);
}

function isStatusSocket(value: unknown): boolean {
  return (
    isObject(value) &&
    isText(value['address']) &&
    isNullOr(value['file'], (file) => isOneOf(socketFiles, file))
  );
}

function isOutput(value: unknown): boolean {
  return (
    isObject(value) &&
    isText(value['target']) &&
    isListOf(value['files'], isText) &&
    isNullOr(value['program'], isLogProgram)
  );
}

function isLogProgram(value: unknown): boolean {
  return (
    isObject(value) &&
    isNullOr(value['pid'], isCount) &&
    isNullOr(value['lastExit'], isText) &&
    hasCounts(value, 'restarts', 'waiting', 'capacity') &&
    typeof value['isFull'] === 'boolean'
  );
}

function isSocketHolder(value: unknown): value is SocketHolderStatus {
  return (
    isObject(value) && hasCounts(value, 'pid') && isText(value['name']) && isNullOr(value['slot'], isCount)
  );
}
