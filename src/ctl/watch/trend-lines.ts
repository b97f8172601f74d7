// A pool's trend as lines below its heading. Pure.
import { describeBytes, describeDuration, plural } from '../../core/text/amount-text.ts';
import { printable } from '../../core/text/printable.ts';
import { widthOfLine, type Line, type Span } from '../print/line.ts';
import type { Trend } from './trends.ts';

const indent: Span = { text: '  ' };
const separator: Span = { text: ', ' };

/** As many parts on a line as have room. */
export function trendLines(trend: Trend | undefined, columns: number): Line[] {
  if (!trend) return [];
  const lines: Line[] = [];
  for (const part of partsOf(trend)) {
    const longer = [...(lines.at(-1) ?? []), separator, part];
    if (lines.length > 0 && widthOfLine(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push([indent, part]);
  }
  return lines;
}

function partsOf({ cpuPercent, rssBytes, rssChange = 0, spanMs, ...trend }: Trend): Span[] {
  const { share, queue } = trend;
  const [first, ...others]: Span[] = [
    ...(rssBytes === undefined
      ? []
      : [{ text: `RSS ${describeBytes(rssBytes)}${describeChange(rssChange)}` }]),
    { text: describeRestarts(trend.restarts), colour: colourOf(trend) },
    ...(queue ? [describeQueue(queue)] : []),
    ...(share ? [{ text: describeShare(share) }] : []),
  ];
  return [
    ...(cpuPercent === undefined ? [] : [{ text: `CPU ${cpuPercent.toFixed(1)}%` }]),
    ...(first ? [{ ...first, text: `in ${describeSpan(spanMs)}: ${first.text}` }] : []),
    ...others,
  ];
}

/** A minute is what rates are compared by. */
function describeSpan(ms: number): string {
  if (ms < 950) return `${(ms / 1000).toFixed(1)}s`;
  return describeDuration(Math.round(ms / 1000) * 1000).replace(/^1m$/, '60s');
}

function describeRestarts(restarts: Trend['restarts']): string {
  if (!restarts) return 'restarts unknown';
  const reasons = Object.entries(restarts);
  const count = reasons.reduce((total, [, one]) => total + one, 0);
  if (count === 0) return 'no restarts';
  return `${plural(count, 'restart')} (${reasons.map(([reason, one]) => `${one} ${printable(reason)}`).join(' ')})`;
}

/** Planned ends are no trouble. */
function colourOf({ restarts = {} }: Pick<Trend, 'restarts'>): Span['colour'] {
  const troubles = Object.entries(restarts).filter(([reason]) => reason !== 'planned');
  return troubles.length > 0 ? 'yellow' : undefined;
}

function describeQueue({ most, direction }: NonNullable<Trend['queue']>): Span {
  if (most === 0) return { text: 'queue empty' };
  const where = direction === undefined ? '' : ` ${direction}`;
  return { text: `queue up to ${most}${where}`, colour: direction === 'rising' ? 'yellow' : undefined };
}

function describeShare(share: NonNullable<Trend['share']>): string {
  const parts = Object.entries(share).filter(([, percent]) => percent > 0);
  return parts.map(([what, percent]) => `${percent}% ${what}`).join(' ');
}

/** What memory gains and loses in every moment is not told. */
const slightBytes = 100 * 1024;

function describeChange(bytes: number): string {
  if (Math.abs(bytes) < slightBytes) return '';
  return ` ${bytes < 0 ? '-' : '+'}${describeBytes(Math.abs(bytes))}`;
}
