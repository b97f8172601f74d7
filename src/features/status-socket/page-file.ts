// The page as the build makes it (src/features/status-socket/page/assemble.ts): one file beside the bundle, whose descriptor
// the start has opened, since a chroot and a user without rights have no such path. Nobody who does not ask pays for it.
import { closeSync, readFileSync } from 'node:fs';

export interface PageText {
  /** Names this page among its versions. */
  readonly id: string;
  /** Sources of the Content-Security-Policy. */
  readonly script: string;
  readonly style: string;
  /** Around the title, the same as a heading, and the tables. */
  readonly parts: readonly [string, string, string, string];
}

export class PageFile {
  #descriptor: number | undefined;
  #text: PageText | undefined;

  /** The descriptor is its own from now on; undefined: there is no such file. */
  constructor(descriptor: number | undefined) {
    this.#descriptor = descriptor;
  }

  /** Undefined: the installation lacks it. */
  read(): PageText | undefined {
    if (this.#descriptor === undefined) return this.#text;
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    try {
      this.#text = parse(readFileSync(descriptor, 'utf8'));
    } finally {
      closeSync(descriptor);
    }
    return this.#text;
  }
}

/** The first line is JSON; a line of its own stands where something belongs. */
function parse(file: string): PageText {
  const end = file.indexOf('\n');
  const { id, script, style } = JSON.parse(file.slice(0, end)) as Omit<PageText, 'parts'>;
  const [top = '', head = '', middle = '', tail = ''] = file.slice(end + 1).split(/<!--(?:title|tables)-->/);
  return { id, script, style, parts: [top, head, middle, tail] };
}
