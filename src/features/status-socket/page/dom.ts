// Elements of the page: text is text, never markup.

export function byId(id: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(`#${id}`);
  if (!element) throw new Error(`no #${id}`);
  return element;
}

export type Attributes = Readonly<Record<string, string>>;

export function make(tag: string, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function makeSvg(tag: string, attributes: Attributes, ...children: (Node | string)[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** What is the same already stays: who selects it, or reads it, is not disturbed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Terms and what they say, in a `dl`; empty ones are left out. */
export function setTerms(list: HTMLElement, terms: readonly (readonly [term: string, text: string])[]): void {
  const shown = terms.filter(([, text]) => text !== '');
  while (list.children.length > shown.length) list.lastElementChild?.remove();
  while (list.children.length < shown.length) list.append(make('div', {}, make('dt'), make('dd')));
  shown.forEach(([term, text], index) => {
    const [name, value] = list.children[index]?.children ?? [];
    if (name) setText(name, term);
    if (value) setText(value, text);
  });
}
