// The workers as a table, for who reads rather than looks: made only while it is open.
import { make, setText } from '../dom.ts';
import { describe, type Bar, type ShareOf } from './worker-bars.ts';

export class WorkerTable {
  readonly #details: HTMLDetailsElement;
  readonly #place: Element;
  #body: HTMLElement | undefined;
  #latest: readonly [readonly Bar[], ShareOf] = [[], () => undefined];

  constructor(details: HTMLElement) {
    this.#details = details as HTMLDetailsElement;
    this.#place = details.querySelector('.wide') ?? details;
    details.hidden = false;
    details.addEventListener('toggle', () => this.#draw());
  }

  show(bars: readonly Bar[], shareOf: ShareOf): void {
    this.#latest = [bars, shareOf];
    this.#draw();
  }

  #draw(): void {
    if (!this.#details.open) return;
    const rows = this.#latest[0].map((bar) => describe(bar, this.#latest[1]));
    const body = (this.#body ??= this.#begin(rows[0] ?? []));
    while (body.children.length > rows.length) body.lastElementChild?.remove();
    rows.forEach((row, index) => {
      const line = body.children[index] ?? body.appendChild(makeRow(row.length));
      row.forEach(([, text], column) => {
        const cell = line.children[column];
        if (cell) setText(cell, text);
      });
    });
  }

  #begin(columns: readonly (readonly [term: string, text: string])[]): HTMLElement {
    const heads = columns.map(([term]) => make('th', { scope: 'col' }, term === '' ? 'Worker' : term));
    const body = make('tbody');
    this.#place.replaceChildren(
      make(
        'table',
        {},
        make('caption', {}, 'Each worker, and what it is at'),
        make('thead', {}, make('tr', {}, ...heads)),
        body,
      ),
    );
    return body;
  }
}

function makeRow(length: number): HTMLElement {
  const cells = Array.from({ length: length - 1 }, () => make('td'));
  return make('tr', {}, make('th', { scope: 'row' }), ...cells);
}
