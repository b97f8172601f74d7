// The sign in the tab, for who has the page open behind others: a shape and a colour.
import { byId, setAttribute } from '../dom.ts';

const shapes: Readonly<Record<string, string>> = {
  serving: '<circle cx="8" cy="8" r="7" fill="#1a7f45"/>',
  uneasy: '<path d="M8 1l7 14H1z" fill="#d98200"/>',
  saturated: '<path d="M8 1l7 14H1z" fill="#d98200"/>',
  unknown: '<path d="M2 2h12v12H2z" fill="#708090"/>',
  'not-serving': '<path d="M2 2h12v12H2z" fill="#c8281e"/>',
  silent: '<path d="M3 1l5 5 5-5 2 2-5 5 5 5-2 2-5-5-5 5-2-2 5-5-5-5z" fill="#c8281e"/>',
};

export function showSign(kind: string, text: string, name: string): void {
  const title = `${text.split(':', 1)[0]} - ${name}`;
  if (document.title !== title) document.title = title;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${shapes[kind] ?? ''}</svg>`;
  setAttribute(byId('sign'), 'href', `data:image/svg+xml,${encodeURIComponent(svg)}`);
}
