// A frame of `status --watch` as lines that fit the terminal. Pure.
import { printable } from '../../core/text/printable.ts';
import { cutLine, lineOf, widthOfLine, type Line } from '../print/line.ts';
import { widthOf } from '../print/printable.ts';
import { deadPoolLines } from '../status/dead-pool-text.ts';
import { describeDuration } from '../../core/text/amount-text.ts';
import { formatTime, poolLines, type MeasuredPool } from '../status/status-table.ts';
import type { SilentPool } from './pool-questions.ts';
import { sortPool, weightOfPool, type Order } from './sorting.ts';
import type { Frame } from './status-watch.ts';
import { trendLines } from './trend-lines.ts';

export interface FrameLook {
  readonly columns: number;
  readonly rows: number;
  readonly intervalMs: number;
  /** `00:12:33` */
  readonly time: string;
  readonly order: Order;
  /** So many lines of the pools are above the screen. */
  readonly above: number;
}

/** A title, the pools in their order, and what is to be said; what has no room is counted. */
export function frameLines(frame: Frame, look: FrameLook): Line[] {
  const { columns, rows } = look;
  const body = bodyOf(frame, look);
  const room = rows - 1;
  const above = Math.min(look.above, scrollableLines(body.length, rows));
  const rest = body.slice(above);
  const isCut = above > 0 || rest.length > room;
  const shown = isCut ? rest.slice(0, room - 1) : rest;
  const lines = [titleOf(look), ...shown, ...(isCut ? [left(above, rest.length - shown.length)] : [])];
  return lines.slice(0, rows).map((line) => cutLine(line, columns));
}

/** How far the pools of a frame can be moved up on a terminal of so many rows: until their last line is seen. */
export function furthestAbove(frame: Frame, look: FrameLook): number {
  return scrollableLines(bodyOf(frame, look).length, look.rows);
}

function scrollableLines(lines: number, rows: number): number {
  // Of a body that is moved a line says how far.
  return lines <= rows - 1 ? 0 : Math.max(0, lines - (rows - 2));
}

interface BodyLook extends Pick<FrameLook, 'columns' | 'order'> {
  /** A heading that is longer gets a second line. */
  readonly headingColumns?: number;
}

function bodyOf(frame: Frame, look: BodyLook): Line[] {
  const sections = [...poolSections(frame, look), ...problemSection(frame)];
  return sections.length === 0
    ? [lineOf(''), lineOf('no pools')]
    : sections.flatMap((section) => [lineOf(''), ...section]);
}

/** The pools alone, for who has no terminal: nothing is cut. */
export function blockLines(frame: Frame, columns: number): Line[] {
  const [, ...lines] = bodyOf(
    { ...frame, problems: [] },
    { columns, order: 'slot', headingColumns: Number.POSITIVE_INFINITY },
  );
  return lines;
}

function titleOf({ columns, intervalMs, time, order }: FrameLook): Line {
  const keys = ['sort s c m r', 'renew + -', 'q quits'].join(', ');
  const text = `spawn-fcgictl status, every ${formatTime(intervalMs)}, by ${order}; ${keys}`;
  return lineOf(`${text}${' '.repeat(Math.max(1, columns - widthOf(text) - time.length))}${time}`, 'dim');
}

function left(above: number, below: number): Line {
  const more = `${below} more ${below === 1 ? 'line' : 'lines'}`;
  const parts = [...(above === 0 ? [] : [`${above} above`]), ...(below === 0 ? [] : [more])];
  return lineOf(`.. ${parts.join(', ')}`, 'dim');
}

interface Section {
  readonly key: string;
  readonly weight: number;
  readonly lines: Line[];
}

/** By the order, then by their names: a pool that does not answer keeps its place among them. */
function poolSections(
  { measured, silent, trends }: Frame,
  { columns, order, headingColumns = columns }: BodyLook,
): Line[][] {
  const none: ReadonlyMap<number, number> = new Map();
  const describe = (pool: MeasuredPool): Line[] => {
    const trend = trends.get(pool);
    const lately = trend?.restartsOfSlots ?? none;
    const [heading = [], ...rows] = poolLines(sortPool(pool, order, lately), columns, lately);
    return [...breakHeading([heading], headingColumns), ...trendLines(trend, columns), ...rows];
  };
  const sections: Section[] = [
    ...measured.pools.map((pool) => ({
      key: keyOf(pool),
      weight: weightOfPool(pool, order, trends.get(pool)?.restartsOfSlots ?? none),
      lines: describe(pool),
    })),
    ...measured.dead.map((pool) => ({
      key: keyOf(pool.state),
      weight: 0,
      lines: breakHeading(deadPoolLines(pool, columns), headingColumns),
    })),
    ...silent.map((one) => ({
      key: keyOf(one.pool.state),
      weight: 0,
      lines: breakHeading([silentLine(one)], headingColumns),
    })),
  ];
  return sections
    .sort((one, other) => other.weight - one.weight || (one.key < other.key ? -1 : 1))
    .map(({ lines }) => lines);
}

function keyOf({ name, address }: { readonly name: string; readonly address: string }): string {
  return `${name}\0${address}`;
}

/** One that does not fit has its last facts on a line of their own. */
function breakHeading([heading = [], ...rows]: Line[], columns: number): Line[] {
  const facts = heading.at(-1);
  if (!facts || widthOfLine(heading) <= columns) return [heading, ...rows];
  const text = facts.text.replace(/^(, )?/, '  ');
  return [heading.slice(0, -1), [{ ...facts, text }], ...rows];
}

function silentLine({ pool: { state }, forMs }: SilentPool): Line {
  return [
    { text: `${printable(state.name)} on ${printable(state.address)}: PID ${state.pid}, ` },
    { text: `no answer for ${describeDuration(forMs)}`, colour: 'red' },
  ];
}

function problemSection({ problems }: Frame): Line[][] {
  const lines = problems.flatMap((problem) => problem.split('\n')).map((line) => lineOf(line, 'red'));
  return lines.length > 0 ? [lines] : [];
}
