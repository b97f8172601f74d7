// Every page of the project, taken apart: fenced blocks, code spans, headings, links, each with its line.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../../..');

/** Relative to the repository, in the order of the alphabet. */
export const pagePaths: readonly string[] = globSync(['*.md', 'docs/**/*.md'], { cwd: project }).toSorted();

export interface Fence {
  readonly page: string;
  /** Of its first fence, from 1. */
  readonly line: number;
  /** The one above it, of whatever level. */
  readonly heading: string;
  /** What stands behind the backticks: a language, and how tests take the block. */
  readonly info: string;
  readonly text: string;
}

export interface Found {
  readonly page: string;
  readonly line: number;
  readonly text: string;
}

function readPage(page: string): string {
  return readFileSync(join(project, page), 'utf8');
}

/** In order. A block may be indented, as in a list; its text is not. */
export function fencesOf(page: string): Fence[] {
  const fences: Fence[] = [];
  let heading = '';
  let open: { indent: number; info: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of readPage(page).split('\n').entries()) {
    const [, indent = '', info = ''] = /^( *)```(.*)$/.exec(line) ?? [];
    const isFence = /^ *```/.test(line);
    if (open && isFence) {
      const { lines, ...rest } = open;
      fences.push({
        page,
        heading,
        info: rest.info,
        line: rest.line,
        text: lines.map((one) => `${one}\n`).join(''),
      });
      open = undefined;
    } else if (open) open.lines.push(line.slice(open.indent));
    else if (isFence) open = { indent: indent.length, info: info.trim(), line: index + 1, lines: [] };
    else heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
  }
  if (open) throw new Error(`${page}:${open.line}: the block has no end`);
  return fences;
}

/** The page with blocks and comments blanked: what is left has the lines that it had. */
export function proseOf(page: string): string {
  const blank = (text: string): string => text.replaceAll(/[^\n]/g, '');
  return readPage(page)
    .replaceAll(/^( *)```[^]*?^\1```$/gm, blank)
    .replaceAll(/<!--[^]*?-->/g, blank);
}

/** What stands between backticks in the text, on one line or over two, in tables with their bars as they are meant. */
export function spansOf(page: string): Found[] {
  const prose = proseOf(page);
  const spans = prose.matchAll(/(?<!`)(`+)(?!`)((?:[^`\n]|\n(?!\s*\n)|(?!\1)`)+?)\1(?!`)/g);
  return [...spans].map(({ 2: text = '', index }) => ({
    page,
    line: lineAt(prose, index),
    text: text
      .replaceAll(/\s*\n\s*/g, ' ')
      .replaceAll('\\|', '|')
      .trim(),
  }));
}

/** As GitHub names them: of headings, with a number from the second of a name on, and those that HTML sets. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, html, heading = ''] of proseOf(page).matchAll(
    /<a (?:id|name)="([^"]+)">|^#{1,6} (.*?)(?: #+)?$/gm,
  )) {
    const name = html ?? slugOf(heading);
    let unique = name;
    for (let number = 1; html === undefined && anchors.has(unique); number++) unique = `${name}-${number}`;
    anchors.add(unique);
  }
  return anchors;
}

function slugOf(heading: string): string {
  const words = heading.replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return words.replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '').replaceAll(' ', '-');
}

/** Targets of links and images, of definitions, of HTML; code is none. */
export function linksOf(page: string): Found[] {
  const prose = proseOf(page).replaceAll(/(?<!`)(`+)(?!`)[^]*?[^`]\1(?!`)/g, (code) =>
    code.replaceAll(/[^\n]/g, '.'),
  );
  const targets =
    /\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)|^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)|<([a-z]+:[^>\s]+)>|(?:src|href)="([^"]*)"/gm;
  return [...prose.matchAll(targets)].map((match) => ({
    page,
    line: lineAt(prose, match.index),
    text: match.slice(1).find((group) => group !== undefined) ?? '',
  }));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
