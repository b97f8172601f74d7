// The table of `spawn-fcgictl status`: a heading line a pool, a row a worker. Pure.
import type { OutputStatus } from '../../control/output-status.ts';
import type { PoolStatus, SocketHolderStatus, WorkerStatus } from '../../control/protocol.ts';
import type { SpareStatus, SparesStatus } from '../../control/spare-status.ts';
import { describeLoss, judgeHealth, type Health } from '../../control/health.ts';
import { describeScaling } from './scaling-line.ts';
import { describeBytes, describeDuration, plural } from '../../core/text/amount-text.ts';
import { printable } from '../../core/text/printable.ts';
import { lineOf, renderLines, type Colour, type Line } from '../print/line.ts';
import { cutStart, widthOf } from '../print/printable.ts';
import { left, right, tableLines, usualColumns, type Column } from '../print/table.ts';

/** What the client measures of a worker; null where there was nothing to measure. */
export interface WorkerUsage {
  readonly rssBytes: number | null;
  readonly cpuPercent: number | null;
}

export type MeasuredWorker = WorkerStatus & WorkerUsage;
export type MeasuredSpare = SpareStatus & WorkerUsage;
export interface MeasuredPool extends Omit<PoolStatus, 'workers' | 'spares'> {
  readonly workers: readonly MeasuredWorker[];
  readonly spares?: Omit<SparesStatus, 'workers'> & { readonly workers: readonly MeasuredSpare[] };
}

const minAddressColumns = 24;

/** The pool as lines, each ended by a newline. */
export function formatPool(pool: MeasuredPool, isColoured = false): string {
  return renderLines(poolLines(pool, usualColumns), isColoured);
}

/** Rows and heading stay within the columns as far as that goes. `lately`: restarts of slots that are told apart. */
export function poolLines(
  pool: MeasuredPool,
  columns: number,
  lately: ReadonlyMap<number, number> = new Map(),
): Line[] {
  return [
    headingOf(pool, columns),
    ...describeGiven(pool).map((line) => lineOf(line)),
    ...describeScaling(pool).map((line) => lineOf(line)),
    ...adviseOnLoss(pool).map((line) => lineOf(line)),
    ...describeStatusSocket(pool).map((line) => lineOf(line)),
    ...describeReload(pool).map((line) => lineOf(line)),
    ...tableLines(rowColumns, rowsOf(pool, lately), columns),
    ...describeSpares(pool.spares).map((line) => lineOf(line)),
    ...(pool.socketHolders ?? []).map((holder) => lineOf(describeHolder(holder))),
    ...describeReplaced(pool).map((line) => lineOf(line)),
    ...describeStuck(pool).map((line) => lineOf(line)),
    ...describeOutput(pool.output).map((line) => lineOf(line)),
  ];
}

/** Name, address and facts on one line; an address that makes it too long loses its beginning. */
function headingOf(pool: PoolStatus | MeasuredPool, columns: number): Line {
  const name = printable(pool.name);
  const address = printable(pool.address);
  const health = judgeHealth(pool);
  const pid = `PID ${pool.pid}, `;
  const kept = pool.kept ?? 0;
  const facts = [
    '',
    `gen ${pool.generation}`,
    `up ${describeDuration(pool.uptimeMs)}`,
    `${pool.idle} idle ${pool.busy - kept} busy${kept === 0 ? '' : ` ${kept} kept`}`,
    `queue ${pool.queue ? `${pool.queue.length}/${pool.queue.backlog}` : 'unknown'}`,
  ].join(', ');
  const others = pid.length + health.text.length + facts.length + ' on : '.length;
  const space = Math.max(columns - widthOf(name) - others, minAddressColumns);
  return [
    { text: `${name} on ${cutStart(address, space)}: ${pid}` },
    { text: health.text, colour: colourOfHealth(pool, health) },
    { text: facts },
  ];
}

function colourOfHealth({ phase, backoff }: PoolStatus | MeasuredPool, { kind }: Health): Colour {
  if (phase !== 'serving') return 'yellow';
  if (kind === 'not-serving') return 'red';
  return kind === 'serving' && backoff === 0 ? 'green' : 'yellow';
}

const colourOfState: Readonly<Record<Row['state'], Colour>> = {
  running: 'green',
  ready: 'green',
  up: 'yellow',
  ending: 'yellow',
  starting: 'yellow',
  stopping: 'yellow',
  backoff: 'red',
  exited: 'red',
};

/** Whoever asks the system about the socket finds it with somebody else. */
function describeGiven({ given }: MeasuredPool): string[] {
  return given === undefined ? [] : [`  its socket was given: ${printable(given)}`];
}

function adviseOnLoss(pool: MeasuredPool): string[] {
  const { socketFile, unreachable, given } = pool;
  if (given !== undefined && (describeLoss({ socketFile }) ?? unreachable ?? undefined) !== undefined)
    return [
      '  nobody can connect: whoever has opened it must open it again, and the pool be started after it',
    ];
  if (describeLoss({ socketFile }) !== undefined)
    return ['  nobody can connect: start it again with its command, which takes the pool over'];
  return unreachable === null
    ? []
    : ['  nobody can connect: spawn-fcgictl restart sets it right, or says why it cannot'];
}

/** One that is there is not worth a line. */
function describeStatusSocket({ statusSocket }: MeasuredPool): string[] {
  if (!statusSocket || statusSocket.file === 'ours' || statusSocket.file === null) return [];
  const loss = statusSocket.file === 'gone' ? 'is gone:' : 'was replaced: remove what is there, and';
  return [`  its status socket ${printable(statusSocket.address)} ${loss} start it again with --replace`];
}

/** The operation under way, else the last reload if it failed. */
function describeReload({ operation, lastReload }: MeasuredPool): string[] {
  if (operation) {
    const step = operation.step === '' ? '' : `: ${printable(operation.step)}`;
    return [`  ${printable(operation.kind)} since ${describeDuration(operation.sinceMs)}${step}`];
  }
  if (!lastReload || lastReload.result === 'reloaded') return [];
  const reason = lastReload.message === '' ? '' : `: ${printable(lastReload.message)}`;
  return [
    `  last reload ${lastReload.result} ${describeDuration(lastReload.agoMs)} ago${reason}`,
    ...lastReload.words.map((word) => `    ${printable(word)}`),
  ];
}

function describeHolder({ pid, name, slot }: SocketHolderStatus): string {
  const whose = slot === null ? 'its worker' : `worker ${slot}`;
  return `  PID ${pid} (${printable(name)}) has left the session of ${whose} and holds the socket`;
}

/** What guards have done: how often each, and the last one. */
function describeReplaced({ replaced = {}, workers }: MeasuredPool): string[] {
  const counts = Object.entries(replaced).map(([guard, count]) => `${count} by --${printable(guard)}`);
  if (counts.length === 0) return [];
  const known = workers.filter(({ replaced: last }) => last);
  const [latest] = known.toSorted((one, other) => (one.replaced?.agoMs ?? 0) - (other.replaced?.agoMs ?? 0));
  const last = latest?.replaced
    ? `; the last one ${describeDuration(latest.replaced.agoMs)} ago, slot ${latest.slot}: ${printable(latest.replaced.reason)}`
    : '';
  return [`  replaced: ${counts.join(', ')}${last}`];
}

/** A log program that does its work is not worth a line. */
function describeOutput(output: OutputStatus | undefined): string[] {
  if (!output?.program) return [];
  const { pid, lastExit, waiting, isFull } = output.program;
  const who = `log program ${printable(output.target)}`;
  const effect = isFull
    ? ': its pipe is full, workers that print wait for it'
    : `: ${describeBytes(waiting)} wait for it`;
  if (pid === null)
    return [`  ${who} ${printable(lastExit ?? 'is not running')}, and is started again${effect}`];
  return isFull ? [`  ${who} (PID ${pid}) does not read${effect}`] : [];
}

function describeStuck({ stuckRequests: count = 0 }: MeasuredPool): string[] {
  return count === 0 ? [] : [`  stuck: ${plural(count, 'request')} took longer than --request-timeout`];
}

const noValue = '-';

/** A worker in a slot or beside them, of which there is less to tell. */
type Row = WorkerUsage &
  Pick<WorkerStatus, 'pid' | 'generation' | 'uptimeMs' | 'lastExit' | 'nextTryMs'> & {
    readonly slot: string;
    readonly state: WorkerStatus['state'] | SpareStatus['state'];
    readonly does: string;
    readonly restarts: string;
  };

function rowsOf({ workers, spares }: MeasuredPool, lately: ReadonlyMap<number, number>): Row[] {
  const none = { does: noValue, restarts: noValue, lastExit: null, nextTryMs: null };
  return [
    ...workers.map((worker) => ({
      ...worker,
      slot: String(worker.slot),
      does: describeDoing(worker),
      restarts: [worker.restarts, lately.get(worker.slot) ?? []].flat().join(' +'),
    })),
    ...(spares?.workers ?? []).map((spare) => ({ ...spare, ...none, slot: 'spare' })),
  ];
}

function describeSpares(spares: MeasuredPool['spares']): string[] {
  return spares?.isPossible === false
    ? ['  no spares: it cannot be seen whether a worker waits for connections']
    : [];
}

const rowColumns: readonly Column<Row>[] = [
  right('SLOT', ({ slot }) => slot),
  right('PID', ({ pid }) => (pid === null ? noValue : String(pid))),
  right('GEN', ({ generation }) => String(generation)),
  left(
    'STATE',
    ({ state }) => state,
    ({ state }) => colourOfState[state],
  ),
  left('DOES', ({ does }) => does),
  right('UP', ({ uptimeMs }) => (uptimeMs === null ? noValue : describeDuration(uptimeMs))),
  right('RSS', ({ rssBytes }) => (rssBytes === null ? noValue : describeBytes(rssBytes))),
  right('CPU%', ({ cpuPercent }) => (cpuPercent === null ? noValue : cpuPercent.toFixed(1))),
  right('RESTARTS', ({ restarts }) => restarts),
  right('NEXT', ({ nextTryMs }) => (nextTryMs === null ? noValue : formatDelay(nextTryMs))),
  left('LAST EXIT', ({ lastExit }) => (lastExit === null ? noValue : describeExit(lastExit))),
];

/** A request that takes its time is told by its age. */
function describeDoing({ pid, activity, requestAgeMs }: MeasuredWorker): string {
  if (pid === null) return noValue;
  const isLong = activity === 'busy' && (requestAgeMs ?? 0) >= 1000;
  return isLong ? `${activity} ${describeDuration(requestAgeMs ?? 0)}` : activity;
}

/** The column is narrow: `killed by SIGKILL`, `exec: No such file or directory`. */
function describeExit(lastExit: string): string {
  return printable(lastExit.replace(/^was /, '').replace(/^exec failed: /, 'exec: '));
}

/** A limit as somebody may have given it. */
export function formatTime(ms: number): string {
  return ms < 1000 || ms % 1000 !== 0 ? `${Math.round(ms)} ms` : describeDuration(ms);
}

/** A wait, where parts of a second matter. */
function formatDelay(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : describeDuration(ms);
}
