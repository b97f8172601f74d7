// The pool's status as php-fpm writes it: text, JSON, XML, HTML, with `full` each process; and as OpenMetrics. Pure.
import { formatFamilies } from '../../control/metrics/exposition.ts';
import {
  phpFpmFacts,
  phpFpmProcesses,
  type PhpFpmFacts,
  type PhpFpmProcess,
} from '../../control/metrics/php-fpm-facts.ts';
import type { PoolFigures } from '../../control/metrics/pool-figures.ts';
import { poolFamilies } from '../../control/metrics/pool-metrics.ts';
import { printable } from '../../core/text/printable.ts';
import { localTime } from './local-time.ts';
import type { PageText } from './page-file.ts';

export type Format = 'text' | 'json' | 'xml' | 'html' | 'openmetrics';

export interface Query {
  readonly format: Format;
  readonly isFull: boolean;
  /** With html: what the page shows, not the page. */
  readonly isData: boolean;
}

/** What is asked for, by the query string; the first that php-fpm looks for wins. */
export function readQuery(query: string): Query {
  const names = new Set(query.split('&').map((part) => part.split('=', 1)[0] ?? ''));
  const format = (['html', 'xml', 'json', 'openmetrics'] as const).find((name) => names.has(name)) ?? 'text';
  return { format, isFull: names.has('full'), isData: format === 'html' && names.has('data') };
}

export const contentTypes: Readonly<Record<Format, string>> = {
  text: 'text/plain;charset=UTF-8',
  json: 'application/json',
  xml: 'text/xml;charset=UTF-8',
  html: 'text/html;charset=UTF-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

export function formatStatus(pool: PoolFigures, format: Format, isFull: boolean): string {
  if (format === 'openmetrics') return formatFamilies(poolFamilies([pool], [], isFull), format);
  if (format === 'html') return formatHtml(pool, isFull, plainHtml);
  const { rows, processes } = rowsOf(pool, isFull);
  switch (format) {
    case 'json':
      return formatJson(rows, processes);
    case 'xml':
      return formatXml(rows, processes);
    case 'text':
      return formatText(rows, processes);
  }
}

function rowsOf(pool: PoolFigures, isFull: boolean): { rows: Row[]; processes: Processes } {
  const processes = isFull ? phpFpmProcesses(pool).map(processRows) : undefined;
  return { rows: factRows(phpFpmFacts(pool)), processes };
}

type Value = string | number | Moment;
/** Undefined: it is not known, and left out. */
type Row = readonly [name: string, value: Value];

/** Seconds since 1970, which programs read as such and people as a date. */
class Moment {
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
  }
}

/** The facts as people read them, by php-fpm's names. */
export function readableFacts(pool: PoolFigures): Record<string, string> {
  const rows = factRows(phpFpmFacts(pool));
  return Object.fromEntries(rows.map(([name, value]) => [name, printable(forPeople(value))]));
}

/** In php-fpm's order. */
function factRows(facts: PhpFpmFacts): Row[] {
  return known([
    ['pool', facts.pool],
    ['process manager', facts.processManager],
    ['start time', new Moment(facts.startTime)],
    ['start since', facts.startSince],
    ['listen queue', facts.listenQueue],
    ['max listen queue', facts.maxListenQueue],
    ['listen queue len', facts.listenQueueLen],
    ['idle processes', facts.idle],
    ['active processes', facts.active],
    ['total processes', facts.idle + facts.active],
    ['max active processes', facts.maxActive],
    ['max children reached', facts.maxChildrenReached],
    ['slow requests', facts.slowRequests],
  ]);
}

function processRows({ pid, state, startTime, startSince }: PhpFpmProcess): Row[] {
  return [
    ['pid', pid],
    ['state', state],
    ['start time', new Moment(startTime)],
    ['start since', startSince],
    // php-fpm's sign for what is not there, too.
    ['request method', '-'],
    ['request uri', '-'],
    ['user', '-'],
    ['script', '-'],
  ];
}

function known(rows: readonly (readonly [name: string, value: Value | undefined])[]): Row[] {
  return rows.flatMap(([name, value]): Row[] => (value === undefined ? [] : [[name, value]]));
}

type Processes = readonly (readonly Row[])[] | undefined;

const textColumns = 22;

function formatText(rows: readonly Row[], processes: Processes): string {
  const lines = (some: readonly Row[]): string =>
    some
      .map(([name, value]) => `${`${textName(name)}:`.padEnd(textColumns)}${printable(forPeople(value))}\n`)
      .join('');
  const more = (processes ?? []).map((one) => `\n************************\n${lines(one)}`);
  return `${lines(rows)}${more.join('')}`;
}

function textName(name: string): string {
  return name === 'request uri' ? 'request URI' : name;
}

function formatJson(rows: readonly Row[], processes: Processes): string {
  const all = Object.fromEntries(rows.map(forPrograms));
  const more = processes?.map((one) => Object.fromEntries(one.map(forPrograms)));
  return JSON.stringify(more ? { ...all, processes: more } : all);
}

/** Half a surrogate pair has no UTF-8. */
function forPrograms([name, value]: Row): [string, string | number] {
  if (typeof value === 'string') return [name, value.toWellFormed()];
  return [name, value instanceof Moment ? value.seconds : value];
}

function forPeople(value: Value): string {
  return value instanceof Moment ? localTime(value.seconds) : String(value);
}

function formatXml(rows: readonly Row[], processes: Processes): string {
  const element = (row: Row): string => {
    const [name, value] = forPrograms(row);
    const tag = name.replaceAll(' ', '-');
    return `<${tag}>${escapeMarkup(String(value))}</${tag}>`;
  };
  const more = processes?.map((one) => `<process>${one.map(element).join('')}</process>\n`);
  const end = more ? `<processes>\n${more.join('')}</processes>\n</status>` : '</status>';
  return `<?xml version="1.0" ?>\n<status>\n${rows.map((row) => `${element(row)}\n`).join('')}${end}`;
}

/** Where php-fpm has no page around its tables. */
const plainHtml = {
  parts: [
    '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>',
    '</title></head>\n<body>\n<h1>',
    '</h1>\n',
    '</body></html>',
  ],
} as const;

/** Php-fpm's tables in a page: the pool's, and with `full` that of its processes. */
export function formatHtml(
  pool: PoolFigures,
  isFull: boolean,
  { parts: [top, head, middle, tail] }: Pick<PageText, 'parts'>,
): string {
  const { rows, processes } = rowsOf(pool, isFull);
  const facts = rows.map(
    ([name, value]) => `<tr><th>${name}</th><td>${escapeMarkup(forPeople(value))}</td></tr>\n`,
  );
  const title = escapeMarkup(`Status of ${pool.status.name}`);
  const tables = `<table>\n${facts.join('')}</table>\n${processes ? processTable(processes) : ''}`;
  return `${top}${title}${head}${title}${middle}${tables}${tail}`;
}

function processTable(processes: readonly (readonly Row[])[]): string {
  const heads = (processes[0] ?? []).map(([name]) => `<th>${name}</th>`);
  const lines = processes.map(
    (one) => `<tr>${one.map(([, value]) => `<td>${escapeMarkup(forPeople(value))}</td>`).join('')}</tr>\n`,
  );
  return `<table border="1">\n<tr>${heads.join('')}</tr>\n${lines.join('')}</table>\n`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** XML 1.0 has no way to write a control character, which is shown as people write it, nor these two. */
function escapeMarkup(text: string): string {
  return printable(text)
    .replaceAll(/[\ufffe\uffff]/g, '\ufffd')
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}
