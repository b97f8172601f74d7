// The workers as a row of bars, and what is known of the one that is chosen: by pointer, or by arrow keys, as in any list.
import type { PageData, PageSpare, PageWorker } from '../data.ts';
import { byId, make, setAttribute, setText, setTerms } from '../dom.ts';
import { bytes, duration, percent } from '../words.ts';

/** A sign for each state, so that nobody has to tell colours apart. */
const signs: Readonly<Record<string, string>> = {
  busy: 'B',
  kept: 'K',
  idle: 'I',
  unknown: '?',
  starting: 'S',
  stopping: 'E',
  backoff: '!',
  exited: '-',
  spare: 'P',
};
const meanings: Readonly<Record<string, string>> = {
  busy: 'busy',
  kept: 'held by kept connections',
  idle: 'idle',
  unknown: 'may not be looked into',
  starting: 'starting',
  stopping: 'ending',
  backoff: 'waiting for the next try',
  exited: 'not started',
  spare: 'spare',
};

export interface Bar {
  /** Stays the same for whoever has the slot. */
  readonly key: string;
  readonly state: string;
  readonly title: string;
  readonly worker: Partial<Omit<PageWorker, 'state'>>;
  readonly spare?: PageSpare['state'];
}

export function barsOf({ workers, spares }: Pick<PageData, 'workers' | 'spares'>): Bar[] {
  const slots = new Set<number>();
  const bars = workers.map((worker): Bar => {
    const isSecond = slots.has(worker.slot);
    slots.add(worker.slot);
    const key = `${worker.slot}${isSecond ? `+${worker.pid}` : ''}`;
    return { key, state: worker.state, title: `Worker ${worker.slot}`, worker };
  });
  const beside = (spares?.workers ?? []).map(({ state: spare, ...worker }): Bar => ({
    key: `spare ${worker.pid}`,
    state: 'spare',
    title: 'Spare',
    worker,
    spare,
  }));
  return [...bars, ...beside];
}

/** How much of a processor the process takes, in percent. */
export type ShareOf = (pid: number | undefined) => number | undefined;

export class WorkerBars {
  readonly #list = byId('bars');
  readonly #legend = byId('legend');
  readonly #detail = byId('detail');
  #bars: readonly Bar[] = [];
  #shareOf: ShareOf = () => undefined;
  #chosen = '';

  constructor() {
    const choose = (event: Event): void => {
      const index = [...this.#list.children].indexOf((event.target as Element).closest('.bar') ?? this.#list);
      if (index >= 0) this.#choose(index);
    };
    for (const kind of ['click', 'pointerover', 'focusin']) this.#list.addEventListener(kind, choose);
    this.#list.addEventListener('keydown', (event) => this.#follow(event));
  }

  show(bars: readonly Bar[], shareOf: ShareOf): void {
    this.#bars = bars;
    this.#shareOf = shareOf;
    const list = this.#list;
    list.className = `bars ${bars.length > 150 ? 'crowd' : bars.length > 36 ? 'many' : ''}`;
    const focused = list.contains(document.activeElement);
    while (list.children.length > bars.length) list.lastElementChild?.remove();
    while (list.children.length < bars.length)
      list.append(make('li', { class: 'bar', role: 'option', tabindex: '-1' }));
    bars.forEach((bar, index) => this.#paint(list.children[index] as HTMLElement, bar));
    this.#mark();
    if (focused && !list.contains(document.activeElement)) this.#current()?.focus();
    this.#count();
  }

  #paint(element: HTMLElement, { key, state, title, worker }: Bar): void {
    setAttribute(element, 'data-key', key);
    setAttribute(element, 'data-state', state);
    setAttribute(element, 'data-slot', String(worker.slot ?? ''));
    setAttribute(
      element,
      'aria-label',
      `${title}, ${meanings[state]}${worker.pid ? `, PID ${worker.pid}` : ''}`,
    );
    setText(element, signs[state] ?? '?');
  }

  #count(): void {
    const counts = new Map<string, number>();
    for (const { state } of this.#bars) counts.set(state, (counts.get(state) ?? 0) + 1);
    const legend = this.#legend;
    const states = Object.keys(signs).filter((state) => counts.has(state));
    while (legend.children.length > states.length) legend.lastElementChild?.remove();
    while (legend.children.length < states.length)
      legend.append(
        make('li', {}, make('span', { class: 'bar', 'aria-hidden': 'true' }), make('b'), make('span')),
      );
    states.forEach((state, index) => {
      const [sign, count, word] = legend.children[index]?.children ?? [];
      if (!sign || !count || !word) return;
      setAttribute(sign, 'data-state', state);
      setText(sign, signs[state] ?? '');
      setText(count, String(counts.get(state)));
      setText(word, meanings[state] ?? state);
    });
  }

  #index(): number {
    return Math.max(
      0,
      this.#bars.findIndex(({ key }) => key === this.#chosen),
    );
  }

  #current(): HTMLElement | undefined {
    return this.#list.children[this.#index()] as HTMLElement | undefined;
  }

  #choose(index: number): void {
    const bar = this.#bars[index];
    if (!bar || bar.key === this.#chosen) return;
    this.#chosen = bar.key;
    this.#mark();
  }

  #mark(): void {
    const current = this.#current();
    for (const element of this.#list.children) {
      const isChosen = element === current;
      setAttribute(element, 'aria-selected', String(isChosen && this.#chosen !== ''));
      setAttribute(element, 'tabindex', isChosen ? '0' : '-1');
    }
    const bar = this.#chosen === '' ? undefined : this.#bars[this.#index()];
    setTerms(this.#detail, bar ? describe(bar, this.#shareOf) : hint);
  }

  #follow(event: KeyboardEvent): void {
    const index = this.#index();
    const first = this.#list.children[0] as HTMLElement | undefined;
    const inRow = [...this.#list.children].filter(
      (element) => (element as HTMLElement).offsetTop === first?.offsetTop,
    ).length;
    const last = this.#bars.length - 1;
    const next = {
      ArrowRight: index + 1,
      ArrowLeft: index - 1,
      ArrowDown: index + inRow,
      ArrowUp: index - inRow,
      Home: 0,
      End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#choose(Math.min(last, Math.max(0, next)));
    this.#current()?.focus();
  }
}

const hint = [['', 'Point at a worker, or choose one by the arrow keys.']] as const;

/** Also for the table, which has the same columns. */
export function describe(
  { title, state, worker, spare }: Bar,
  shareOf: ShareOf,
): readonly (readonly [term: string, text: string])[] {
  const span = (ms: number | undefined): string => (ms === undefined ? '' : duration(ms));
  const state2 = spare === undefined ? (meanings[state] ?? state) : `spare, ${spare}`;
  return [
    ['', title],
    ['State', state2],
    ['PID', worker.pid === undefined ? '' : String(worker.pid)],
    ['Generation', worker.generation === undefined ? '' : String(worker.generation)],
    ['Up', span(worker.upMs)],
    ['Memory', worker.usage ? bytes(worker.usage.rssBytes) : ''],
    ['CPU', percent(shareOf(worker.pid))],
    ['Processes', worker.processes === undefined ? '' : String(worker.processes)],
    ['Request for', span(worker.requestAgeMs)],
    ['Next try in', span(worker.nextTryMs)],
    ['Restarts', worker.restarts === undefined ? '' : String(worker.restarts)],
    ['Last exit', worker.lastExit ?? ''],
  ];
}
