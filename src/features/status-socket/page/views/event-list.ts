// The events, newest first, and what was said last when a reload failed.
import type { PageData } from '../data.ts';
import { byId, make, setText } from '../dom.ts';
import type { SeenEvent } from '../history.ts';
import { moment } from '../words.ts';

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
    const shown = events.map(({ pid, text }) => `${pid} ${text}`).join('\n');
    if (shown === this.#shown) return;
    this.#shown = shown;
    const now = new Date();
    const lines = events.map((event) => makeLine(event, new Date(now.getTime() - nowMs + event.atMs), now));
    this.#list.replaceChildren(...lines.reverse());
    if (!inside) this.#list.replaceChildren(make('li', {}, untold));
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

const failed: Readonly<Record<string, string>> = {
  'rolled-back': 'It was rolled back: the old workers serve on.',
  partly: 'Old and new workers are in service.',
  'timed-out': 'It was not up in time, and rolled back.',
};

/** What the last reload has left behind if it has failed; else the last one that has is told of by its event. */
export function showFailure({ lastReload, inside }: Pick<PageData, 'lastReload' | 'inside'>): void {
  const text = lastReload ? failed[lastReload.result] : undefined;
  const what = inside?.message ? ` ${inside.message}` : '';
  setText(
    byId('failure-text'),
    text === undefined ? 'None: the last one, if there was one, has succeeded.' : text + what,
  );
  setText(byId('words'), text === undefined ? '' : (inside?.words ?? []).join('\n'));
}
