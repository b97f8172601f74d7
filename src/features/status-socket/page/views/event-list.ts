// The events, newest first, and how the last reload ended.
import type { PageData, PageInside, PageReload } from '../data.ts';
import { byId, make, setText } from '../dom.ts';
import type { SeenEvent } from '../history.ts';
import { duration, moment } from '../words.ts';

const marks = {
  err: ['\u2716', 'Error'],
  warning: ['\u25b2', 'Warning'],
  notice: ['\u25cf', 'Notice'],
  info: ['\u25cb', 'Information'],
} as const satisfies Readonly<Record<SeenEvent['severity'], readonly [sign: string, word: string]>>;

const untold =
  'This status socket is on TCP, where everybody may ask. Events, paths and last words are told where it is on a path: --status-socket PATH.';

export class EventList {
  readonly #list = byId('event-list');
  #shown = '';

  show(events: readonly SeenEvent[], { inside }: Pick<PageData, 'inside'>, nowMs: number): void {
    // Who reads them is not to lose the place for nothing.
    const shown = inside ? events.map(({ pid, text }) => `${pid} ${text}`).join('\n') : untold;
    if (shown === this.#shown) return;
    this.#shown = shown;
    if (!inside) return this.#list.replaceChildren(make('li', { class: 'untold' }, untold));
    const now = new Date();
    const lines = events.map((event) => makeLine(event, new Date(now.getTime() - nowMs + event.atMs), now));
    this.#list.replaceChildren(...lines.reverse());
  }
}

function makeLine({ severity, text }: SeenEvent, date: Date, now: Date): HTMLElement {
  const [sign, word] = marks[severity];
  const time = make(
    'time',
    { datetime: date.toISOString(), title: date.toLocaleString() },
    moment(date, now),
  );
  return make(
    'li',
    { class: severity },
    time,
    make('span', { class: 'mark', role: 'img', 'aria-label': word }, sign),
    make('span', {}, text),
  );
}

const results: Readonly<Record<string, readonly [verb: string, state: string]>> = {
  reloaded: ['succeeded', 'all workers are new'],
  'rolled-back': ['failed', 'the old workers serve on'],
  partly: ['failed half-way', 'old and new workers are in service'],
  'timed-out': ['was not up in time', 'the old workers serve on'],
};

/** How the last reload ended, and what was said last if it failed. */
export function showReload({ lastReload, inside }: Pick<PageData, 'lastReload' | 'inside'>): void {
  const failed = lastReload !== null && lastReload.result !== 'reloaded';
  setText(byId('failure-text'), lastReload ? describeReload(lastReload, inside) : 'None yet.');
  const words = failed ? (inside?.words ?? []).join('\n') : '';
  byId('said').hidden = words === '';
  setText(byId('words'), words);
}

function describeReload({ result, agoMs }: PageReload, inside: PageInside | null): string {
  const [verb, state] = results[result] ?? [result, ''];
  const why = result === 'reloaded' ? '' : (inside?.message ?? '');
  return `It ${verb} ${duration(agoMs)} ago, ${state}${why === '' ? '' : `: ${why}`}.`;
}
