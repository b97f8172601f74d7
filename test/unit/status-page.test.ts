// The supervisor's side of the page of the status socket: what is remembered for it, what it is told, and what a browser may
// do with it.
import { describe, expect, test } from 'vitest';
import { describeForPage, type Seen } from '../../src/features/status-socket/page-data.ts';
import * as answers from '../../src/features/status-socket/status-answers.ts';
import { RecentEvents } from '../../src/features/status-socket/recent-events.ts';
import { RecentLooks } from '../../src/features/status-socket/recent-looks.ts';
import type { Answer } from '../../src/features/status-socket/status-server.ts';
import * as models from '../helpers/models/index.ts';

const seen: Seen = { page: 'x', looks: [], figures: {}, inside: { release: '/srv/app', events: [] } };

describe('looks', () => {
  test('are kept for ten minutes, however many there are', () => {
    const looks = new RecentLooks();
    for (let atMs = 0; atMs <= 3_000_000; atMs += 200) looks.add(atMs, { queue: 1, active: 0, up: 4 });
    const list = looks.list(3_000_000);
    expect(list.length).toBeLessThanOrEqual(400);
    expect(list[0]?.[0]).toBeGreaterThan(590_000);
    expect(list.at(-1)?.[0]).toBeLessThan(1600);
    expect(looks.list(3_700_000)).toEqual([]);
  });

  test('that follow each other quickly are one, with the most that they saw', () => {
    const looks = new RecentLooks();
    for (const [atMs, queue] of [
      [0, 3],
      [700, 9],
      [1400, 0],
    ] as const)
      looks.add(atMs, { queue, active: 1, up: 2 });
    looks.add(1500, { queue: undefined, active: 0, up: 2 });
    expect(looks.list(2000)).toEqual([
      [2000, 9, 1, 2],
      [500, null, 0, 2],
    ]);
  });
});

describe('events', () => {
  test('of every day do not push out what matters', () => {
    const events = new RecentEvents();
    events.add(1, { event: 'reload-started', generation: 2 });
    for (let slot = 0; slot < 1000; slot++)
      events.add(2 + slot, { event: 'worker-started', slot, workerPid: 7 });
    const list = events.list(2000);
    expect(list).toHaveLength(26);
    expect(list[0]).toEqual({ agoMs: 1999, severity: 'notice', text: 'reload started: generation 2' });
    expect(list.at(-1)?.text).toBe('worker 999 started: PID 7');
  });

  test('are not as long as a thousand processes', () => {
    const events = new RecentEvents();
    events.add(0, { event: 'killed', reason: 'x', pids: Array.from({ length: 1000 }, (_, pid) => pid) });
    expect(events.list(0)[0]?.text).toHaveLength(301);
  });
});

describe('what the page is told', () => {
  test('has no character that a name could do mischief with', () => {
    const nasty = models.nastyNames.join('\u202e');
    const figures = models.exampleFigures({
      name: nasty,
      lastReload: { result: 'rolled-back', agoMs: 1, message: nasty, words: [nasty] },
      operation: { kind: 'reload', sinceMs: 1, step: nasty },
      unreachable: nasty,
    });
    const texts = JSON.stringify(describeForPage(figures, seen));
    expect(texts).toContain('<script>');
    expect(JSON.parse(texts)).toMatchObject({ inside: { words: [expect.stringContaining('u{202e}')] } });
    // JSON writes control characters as \u001b.
    expect(texts).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]|\\u00|\\ud/u);
  });

  test('has neither paths nor events nor last words where everybody may ask', () => {
    const lastReload = { result: 'rolled-back', agoMs: 1, message: 'secret', words: ['secret'] } as const;
    const figures = models.exampleFigures({ lastReload });
    expect(JSON.stringify(describeForPage(figures, seen))).toContain('secret');
    const open = describeForPage(figures, { ...seen, inside: undefined });
    expect(JSON.stringify(open)).not.toContain('secret');
    expect(open.lastReload).toEqual({ result: 'rolled-back', agoMs: 1 });
  });

  test('has no command line', () => {
    expect(JSON.stringify(describeForPage(models.exampleFigures(), seen))).not.toContain('spawn-fcgi');
  });
});

describe('a browser', () => {
  const figures = models.exampleFigures();
  const text = {
    id: 'x',
    script: 'sha256-a',
    style: 'sha256-b',
    parts: ['<title>', '</title><h1>', '</h1>', '<p>'],
  } as const;
  const ask = (query: string, page: answers.Page): Answer =>
    new answers.StatusAnswers({
      look: () => figures,
      clock: new models.ManualClock(),
      page,
      report: () => undefined,
    }).answer(new Map([['QUERY_STRING', query]]));

  test('may run the script of the page and nothing else, and show it nowhere else', () => {
    const { header, body } = ask('html', { text: () => text, data: () => '' });
    expect(header.split('\r\n').find((line) => line.startsWith('Content-Security-Policy'))).toBe(
      "Content-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'sha256-a'; style-src 'sha256-b'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'",
    );
    expect(body.toString()).toMatch(
      /^<title>Status of php-cgi<\/title><h1>Status of php-cgi<\/h1><table>\n<tr><th>pool<\/th><td>php-cgi</,
    );
  });

  test.each(['', 'json', 'xml', 'openmetrics', 'html&data'])('may run nothing of ?%s', (query) => {
    const { header } = ask(query, { text: () => text, data: () => '{}' });
    expect(header).toContain("Content-Security-Policy: default-src 'none'; base-uri 'none';");
    expect(header).not.toContain('script-src');
    for (const line of ['X-Content-Type-Options: nosniff', 'Referrer-Policy: no-referrer', 'no-store'])
      expect(header).toContain(line);
  });

  test('gets the tables of php-fpm where the page is missing', () => {
    const { body, header } = ask('html&full', { text: () => undefined, data: () => '' });
    expect(body.toString()).toMatch(/^<!DOCTYPE html>[^]*<td>Idle<\/td>[^]*<\/html>$/);
    expect(header).not.toContain('script-src');
  });
});
