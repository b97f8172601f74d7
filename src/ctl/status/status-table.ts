// The table of `spawn-fcgictl status`: a heading line a pool, a row a worker. Pure.
import type { PoolStatus, SocketHolderStatus, WorkerStatus } from '../../control/protocol.ts';
import { describeLoss, judgeHealth } from './health.ts';
import { printable } from '../../core/text/printable.ts';
import { cutEnd, cutStart, widthOf } from '../print/printable.ts';

/** What the client measures of a worker; null where there was nothing to measure. */
export interface WorkerUsage {
  readonly rssBytes: number | null;
  readonly cpuPercent: number | null;
}

export type MeasuredWorker = WorkerStatus & WorkerUsage;
export type MeasuredPool = Omit<PoolStatus, 'workers'> & { readonly workers: readonly MeasuredWorker[] };

const lineColumns = 80;
const minAddressColumns = 24;
const minExitColumns = 12;

/** The pool as lines, each ended by a newline. */
export function formatPool(pool: MeasuredPool): string {
  const lines = [
    formatHeading(pool),
    ...adviseOnLoss(pool),
    ...describeReload(pool),
    ...formatTable(workerColumns, pool.workers),
    ...(pool.socketHolders ?? []).map(describeHolder),
  ];
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** Name, address and facts on one line; an address that makes it too long loses its beginning. */
function formatHeading(pool: PoolStatus | MeasuredPool): string {
  const name = printable(pool.name);
  const address = printable(pool.address);
  const facts = [
    `PID ${pool.pid}`,
    judgeHealth(pool).text,
    `gen ${pool.generation}`,
    `up ${formatDuration(pool.uptimeMs)}`,
    `${pool.idle} idle ${pool.busy} busy`,
    `queue ${pool.queue ? `${pool.queue.length}/${pool.queue.backlog}` : 'unknown'}`,
  ].join(', ');
  const space = lineColumns - widthOf(name) - facts.length - ' on : '.length;
  return `${name} on ${cutStart(address, Math.max(space, minAddressColumns))}: ${facts}`;
}

function adviseOnLoss(pool: MeasuredPool): string[] {
  const { socketFile, unreachable } = pool;
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

interface Column<Row> {
  readonly heading: string;
  readonly alignsRight: boolean;
  readonly cell: (row: Row) => string;
}

export function right<Row>(heading: string, cell: Column<Row>['cell']): Column<Row> {
  return { heading, alignsRight: true, cell };
}

export function left<Row>(heading: string, cell: Column<Row>['cell']): Column<Row> {
  return { heading, alignsRight: false, cell };
}

const none = '-';

const workerColumns: readonly Column<MeasuredWorker>[] = [
  right('SLOT', ({ slot }) => String(slot)),
  right('PID', ({ pid }) => (pid === null ? none : String(pid))),
  right('GEN', ({ generation }) => String(generation)),
  left('STATE', ({ state }) => state),
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

/** A heading and a row each, indented; the last column is cut where a line would be longer than a terminal's. */
export function formatTable<Row>(columns: readonly Column<Row>[], items: readonly Row[]): string[] {
  const rows = [
    columns.map(({ heading }) => heading),
    ...items.map((one) => columns.map((column) => column.cell(one))),
  ];
  const widths = columns.map((_column, index) =>
    rows.reduce((width, row) => Math.max(width, widthOf(row[index] ?? '')), 0),
  );
  const last = columns.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 1, 2);
  const space = Math.max(lineColumns - before, minExitColumns);
  return rows.map((row) => {
    const cells = row.map((cell, index) => {
      if (index === last) return cutEnd(cell, space);
      const padding = ' '.repeat((widths[index] ?? 0) - widthOf(cell));
      return columns[index]?.alignsRight ? padding + cell : cell + padding;
    });
    return `  ${cells.join(' ')}`;
  });
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
