// The queue of the last ten minutes and the workers at work as a drawing. What nobody has seen stays empty.
import { makeSvg, setAttribute } from '../dom.ts';
import { spanMs, stretchesOf, type SeenLook, type Stretch } from '../history.ts';
import { roundUp } from '../words.ts';

const margin = { left: 44, right: 10, top: 12, bottom: 20 };
const stripHeight = 30;
const gap = 22;
const leastWidth = 2;
/** Where there is room for more words, and where there is not. */
const minutes = { wide: [10, 8, 6, 4, 2, 0], narrow: [10, 5, 0] };
const wideFrom = 480;

export interface Chart {
  readonly looks: readonly SeenLook[];
  readonly limit: number | undefined;
  readonly nowMs: number;
}

/** A band of the drawing, from `base` upwards. */
interface Band {
  readonly base: number;
  readonly height: number;
  readonly top: number;
}

export function drawChart(place: HTMLElement, { looks, limit, nowMs }: Chart): void {
  const [width, height] = [place.clientWidth, place.clientHeight];
  if (width < 120 || height < 120) return;
  const stretches = stretchesOf(looks, nowMs);
  const x = (atMs: number): number =>
    Math.max(
      margin.left,
      width - margin.right - ((nowMs - atMs) / spanMs) * (width - margin.left - margin.right),
    );
  const stripBase = height - margin.bottom;
  const queueBase = stripBase - stripHeight - gap;
  const queue: Band = {
    base: queueBase,
    height: queueBase - margin.top,
    top: scaleOf(
      mostOf(looks, ({ queue: length }) => length ?? 0),
      limit,
    ),
  };
  const strip: Band = {
    base: stripBase,
    height: stripHeight,
    top: Math.max(
      1,
      mostOf(looks, ({ up }) => up),
    ),
  };
  const ends = { from: margin.left, to: width - margin.right };
  place.replaceChildren(
    makeSvg(
      'svg',
      { width: String(width), height: String(height), role: 'img', 'aria-label': describe(looks, limit) },
      drawBars('seen', stretches, queue, x, () => queue.top),
      drawBars('seen', stretches, strip, x, () => strip.top),
      ...drawGrid(queue, strip, x, nowMs, ends),
      drawBars('queue', stretches, queue, x, ({ queue: length }) => length ?? 0),
      drawBars('active', stretches, strip, x, ({ active }) => active),
      ...drawLimit(queue, limit, ends),
    ),
  );
}

/** Up to the limit, once the queue is half as long. */
function scaleOf(most: number, limit: number | undefined): number {
  const top = roundUp(Math.max(4, most));
  return limit !== undefined && limit <= top * 2 ? Math.max(top, limit) : top;
}

export function mostOf(looks: readonly SeenLook[], read: (look: SeenLook) => number): number {
  return looks.reduce((most, look) => Math.max(most, read(look)), 0);
}

type Across = (atMs: number) => number;
interface Ends {
  readonly from: number;
  readonly to: number;
}

/** Each look for the time for which it stands; of the whole height it is the ground that says that somebody has looked. */
function drawBars(
  kind: string,
  stretches: readonly Stretch[],
  { base, height, top }: Band,
  x: Across,
  read: (look: SeenLook) => number,
): SVGElement {
  const bars = stretches.map(({ fromMs, toMs, look }) => {
    const from = x(fromMs);
    const across = Math.max(leastWidth, x(toMs) - from).toFixed(1);
    const up = (Math.min(1, read(look) / top) * height).toFixed(1);
    return `M${from.toFixed(1)} ${base}v-${up}h${across}v${up}z`;
  });
  return makeSvg('path', { class: kind, d: bars.join('') });
}

function drawGrid(queue: Band, strip: Band, x: Across, nowMs: number, { from, to }: Ends): SVGElement[] {
  const line = (x1: number, y1: number, x2: number, y2: number): SVGElement =>
    makeSvg('line', { class: 'grid', x1: `${x1}`, y1: `${y1}`, x2: `${x2}`, y2: `${y2}` });
  const text = (at: number, y: number, anchor: string, word: string): SVGElement =>
    makeSvg('text', { x: `${at}`, y: `${y}`, 'text-anchor': anchor }, word);
  const heights = [0, 0.5, 1].map((share) => {
    const y = Math.round(queue.base - share * queue.height) + 0.5;
    return [line(from, y, to, y), text(from - 6, y + 4, 'end', String(queue.top * share))];
  });
  const times = minutes[to > wideFrom ? 'wide' : 'narrow'].map((ago) => {
    const at = Math.round(x(nowMs - ago * 60_000)) + 0.5;
    const word = ago === 0 ? 'now' : `-${ago} min`;
    const anchor = ago === 0 ? 'end' : ago === 10 ? 'start' : 'middle';
    return [
      line(at, margin.top, at, queue.base),
      line(at, strip.base - strip.height, at, strip.base),
      text(at, strip.base + 15, anchor, word),
    ];
  });
  return [
    ...heights.flat(),
    ...times.flat(),
    text(from, strip.base - strip.height - 6, 'start', `workers that hold a connection, of ${strip.top}`),
    text(from - 6, strip.base - strip.height + 9, 'end', String(strip.top)),
    text(from - 6, strip.base + 3, 'end', '0'),
  ];
}

function drawLimit({ base, height, top }: Band, limit: number | undefined, { from, to }: Ends): SVGElement[] {
  if (limit === undefined) return [];
  if (limit > top)
    return [
      makeSvg(
        'text',
        { class: 'limit-word', x: `${to}`, y: `${margin.top + 10}`, 'text-anchor': 'end' },
        `\u2191 limit ${limit}`,
      ),
    ];
  const y = String(Math.round(base - (limit / top) * height) + 0.5);
  return [
    makeSvg('line', { class: 'limit', x1: `${from}`, x2: `${to}`, y1: y, y2: y }),
    makeSvg(
      'text',
      { class: 'limit-word', x: `${to}`, y: `${Number(y) + 13}`, 'text-anchor': 'end' },
      `limit ${limit}`,
    ),
  ];
}

/** For who does not see it. */
function describe(looks: readonly SeenLook[], limit: number | undefined): string {
  const last = looks.at(-1);
  const most = mostOf(looks, ({ queue }) => queue ?? 0);
  const may = limit === undefined ? '' : `, ${limit} may wait`;
  return `The queue of the last ten minutes by ${looks.length} looks: ${last?.queue ?? 0} wait now, ${most} at most${may}.`;
}

/** Draws again whenever there is more or less room. */
export function whenResized(place: HTMLElement, draw: () => void): void {
  setAttribute(place, 'data-drawn', 'yes');
  new ResizeObserver(draw).observe(place);
}
