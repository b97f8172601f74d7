// A frame of `status --watch` as lines that fit the terminal. Pure.
import { printable } from '../../core/text/printable.ts';
import { cutLine, lineOf, widthOfLine, type Line } from '../print/line.ts';
import { widthOf } from '../print/printable.ts';
import { deadPoolLines } from '../status/dead-pool-text.ts';
import { describeDuration } from '../../core/text/amount-text.ts';
import { formatTime, poolLines } from '../status/status-table.ts';
import type { SilentPool } from './pool-questions.ts';
import type { Frame } from './status-watch.ts';

export interface FrameLook {
  readonly columns: number;
  readonly rows: number;
  readonly intervalMs: number;
  /** `00:12:33` */
  readonly time: string;
}

/** A title, the pools, each where it was before, and what is to be said; what has no room is counted. */
export function frameLines(frame: Frame, look: FrameLook): Line[] {
  const { columns, rows } = look;
  const sections = [...poolSections(frame, columns), ...problemSection(frame)];
  const lines = [titleOf(look), ...sections.flatMap((section) => [lineOf(''), ...section])];
  if (sections.length === 0) lines.push(lineOf(''), lineOf('no pools'));
  const cut = lines.length > rows ? [...lines.slice(0, rows - 1), more(lines.length - rows + 1)] : lines;
  return cut.slice(0, rows).map((line) => cutLine(line, columns));
}

function titleOf({ columns, intervalMs, time }: FrameLook): Line {
  const text = `spawn-fcgictl status, every ${formatTime(intervalMs)}; q quits`;
  return lineOf(`${text}${' '.repeat(Math.max(1, columns - widthOf(text) - time.length))}${time}`, 'dim');
}

function more(count: number): Line {
  return lineOf(`.. ${count} more ${count === 1 ? 'line' : 'lines'}`, 'dim');
}

/** In the order of their names: a pool that does not answer keeps its place. */
function poolSections({ measured, silent }: Frame, columns: number): Line[][] {
  const sections = [
    ...measured.pools.map((pool) => ({ ...pool, lines: breakHeading(poolLines(pool, columns), columns) })),
    ...measured.dead.map((pool) => ({
      ...pool.state,
      lines: breakHeading(deadPoolLines(pool, columns), columns),
    })),
    ...silent.map((one) => ({ ...one.pool.state, lines: breakHeading([silentLine(one)], columns) })),
  ];
  const keyed = sections.map(({ name, address, lines }) => ({ key: `${name}\0${address}`, lines }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ lines }) => lines);
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
