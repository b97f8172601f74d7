// The table of `spawn-fcgictl status`: a heading line a pool, a row a worker. Pure.
import type { OutputStatus, PoolStatus, SocketHolderStatus, WorkerStatus } from '../../control/protocol.ts';
import { describeLoss, judgeHealth, type Health } from './health.ts';
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
export type MeasuredPool = Omit<PoolStatus, 'workers'> & { readonly workers: readonly MeasuredWorker[] };

const minAddressColumns = 24;

/** The pool as lines, each ended by a newline. */
export function formatPool(pool: MeasuredPool, isColoured = false): string {
  return renderLines(poolLines(pool, usualColumns), isColoured);
}

/** Rows and heading stay within the columns as far as that goes. */
export function poolLines(pool: MeasuredPool, columns: number): Line[] {
  return [
    headingOf(pool, columns),
    ...describeGiven(pool).map((line) => lineOf(line)),
    ...adviseOnLoss(pool).map((line) => lineOf(line)),
    ...describeReload(pool).map((line) => lineOf(line)),
    ...tableLines(workerColumns, pool.workers, columns),
    ...(pool.socketHolders ?? []).map((holder) => lineOf(describeHolder(holder))),
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
    `up ${formatDuration(pool.uptimeMs)}`,
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

const colourOfState: Readonly<Record<WorkerStatus['state'], Colour>> = {
  running: 'green',
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

/** The operation under way, else the last reload if it failed. */
function describeReload({ operation, lastReload }: MeasuredPool): string[] {
  if (operation) {
    const step = operation.step === '' ? '' : `: ${printable(operation.step)}`;
    return [`  ${printable(operation.kind)} since ${formatDuration(operation.sinceMs)}${step}`];
  }
  if (!lastReload || lastReload.result === 'reloaded') return [];
  const reason = lastReload.message === '' ? '' : `: ${printable(lastReload.message)}`;
  return [
    `  last reload ${lastReload.result} ${formatDuration(lastReload.agoMs)} ago${reason}`,
    ...lastReload.words.map((word) => `    ${printable(word)}`),
  ];
}

function describeHolder({ pid, name, slot }: SocketHolderStatus): string {
  const whose = slot === null ? 'its worker' : `worker ${slot}`;
  return `  PID ${pid} (${printable(name)}) has left the session of ${whose} and holds the socket`;
}

/** A log program that does its work is not worth a line. */
function describeOutput(output: OutputStatus | undefined): string[] {
  if (!output?.program) return [];
  const { pid, lastExit, waiting, isFull } = output.program;
  const who = `log program ${printable(output.target)}`;
  const effect = isFull
    ? ': its pipe is full, workers that print wait for it'
    : `: ${formatBytes(waiting)} wait for it`;
  if (pid === null)
    return [`  ${who} ${printable(lastExit ?? 'is not running')}, and is started again${effect}`];
  return isFull ? [`  ${who} (PID ${pid}) does not read${effect}`] : [];
}

const none = '-';

const workerColumns: readonly Column<MeasuredWorker>[] = [
  right('SLOT', ({ slot }) => String(slot)),
  right('PID', ({ pid }) => (pid === null ? none : String(pid))),
  right('GEN', ({ generation }) => String(generation)),
  left(
    'STATE',
    ({ state }) => state,
    ({ state }) => colourOfState[state],
  ),
  left('DOES', ({ pid, activity }) => (pid === null ? none : activity)),
  right('UP', ({ uptimeMs }) => (uptimeMs === null ? none : formatDuration(uptimeMs))),
  right('RSS', ({ rssBytes }) => (rssBytes === null ? none : formatBytes(rssBytes))),
  right('CPU%', ({ cpuPercent }) => (cpuPercent === null ? none : cpuPercent.toFixed(1))),
  right('RESTARTS', ({ restarts }) => String(restarts)),
  right('NEXT', ({ nextTryMs }) => (nextTryMs === null ? none : formatDelay(nextTryMs))),
  left('LAST EXIT', ({ lastExit }) => (lastExit === null ? none : describeExit(lastExit))),
];

/** The column is narrow: `killed by SIGKILL`, `exec: No such file or directory`. */
function describeExit(lastExit: string): string {
  return printable(lastExit.replace(/^was /, '').replace(/^exec failed: /, 'exec: '));
}

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** The two largest units: `5s`, `2m10s`, `3h5m`, `40d2h`. */
export function formatDuration(ms: number): string {
  let seconds = Math.floor(ms / 1000);
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0s';
  const parts = units.slice(first, first + 2).map(([letter, size]) => {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    return count === 0 ? '' : `${count}${letter}`;
  });
  return parts.join('');
}

/** A limit as somebody may have given it. */
export function formatTime(ms: number): string {
  return ms < 1000 || ms % 1000 !== 0 ? `${Math.round(ms)} ms` : formatDuration(ms);
}

/** A wait, where parts of a second matter. */
function formatDelay(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : formatDuration(ms);
}

/** `412K`, `12M`, `1.5G`. */
export function formatBytes(bytes: number): string {
  const kilo = bytes / 1024;
  if (kilo < 1024) return `${Math.round(kilo)}K`;
  const mega = kilo / 1024;
  return mega < 1024 ? `${Math.round(mega)}M` : `${(mega / 1024).toFixed(1)}G`;
}
