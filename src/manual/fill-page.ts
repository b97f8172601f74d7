// A manual page from its source: man(7) with places for the tables, each a comment, so that the source is a page itself.
//
//   .\" @options SECTION            options of spawn-fcgi
//   .\" @synopsis, @general, @commands    of spawn-fcgictl
//   .\" @table PAGE (COLUMN, COLUMN…) TEXT | TEXT…
//       a table of docs/: the first column is the label, {COLUMN} a cell, a TEXT whose cell is empty is left out
import type { Command } from 'commander';
import type { Section } from '../command-line/option.ts';
import { commandEntries, generalEntries, synopsis } from './command-entries.ts';
import { optionEntries } from './option-entries.ts';
import { readTable, type Row } from './page-tables.ts';
import { entry, sentence, toRoff } from './roff.ts';

export interface Sources {
  readonly version: string;
  readonly program: Command;
  /** The text of a page of docs/. */
  readonly readPage: (name: string) => string;
}

export function fillPage(source: string, sources: Sources): string {
  return source
    .replaceAll('@VERSION@', sources.version)
    .replaceAll(/^\.\\" @(\w+) ?(.*)\n/gm, (_, place: string, words: string) =>
      fillPlace(place, words, sources),
    );
}

function fillPlace(place: string, words: string, { program, readPage }: Sources): string {
  switch (place) {
    case 'options':
      return optionEntries(words as Section);
    case 'synopsis':
      return synopsis(program);
    case 'general':
      return generalEntries(program);
    case 'commands':
      return commandEntries(
        program,
        readTable('spawn-fcgictl.md', readPage('spawn-fcgictl.md'), commandTable),
      );
    case 'table':
      return tableEntries(words, readPage);
    default:
      throw new Error(`manual: there is no @${place}`);
  }
}

const commandTable = ['command', 'what it does'];

function tableEntries(words: string, readPage: Sources['readPage']): string {
  const [, page = '', heading = '', texts = ''] = /^(\S+) \(([^)]*)\) (.*)$/.exec(words) ?? [];
  const columns = heading.split(', ');
  const rows = readTable(page, readPage(page), columns);
  return rows.map((row) => entry(toRoff(row[columns[0] ?? ''] ?? ''), describeRow(row, texts))).join('');
}

function describeRow(row: Row, texts: string): string {
  const parts = texts.split(' | ').map((text) => {
    let isEmpty = false;
    const filled = text.replaceAll(/\{(\w*)\}/g, (_, column: string) => {
      const cell = row[column];
      if (cell === undefined) throw new Error(`manual: there is no column '${column}'`);
      isEmpty ||= cell === '';
      return cell;
    });
    return isEmpty ? '' : sentence(filled);
  });
  const text = toRoff(parts.filter((part) => part !== '').join(' '));
  if (text === '') throw new Error(`manual: nothing is said of ${Object.values(row)[0]}`);
  return text;
}
