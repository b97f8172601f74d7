// What spawn-fcgictl convert reads out of files as sites have them, each against what its original makes of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/command-line/parse-config.ts';
import type { WantedPool } from '../../src/ctl/convert/wanted-pool.ts';
import * as conversions from '../helpers/convert/index.ts';
import { makeTempDir } from '../helpers/machine/index.ts';
import { fencesOf } from '../helpers/pages/index.ts';

type ExpectedPool = conversions.ExpectedPool;
const fixtures = conversions.conversionFixtures();

test('there are at least sixty inputs', () => {
  expect(fixtures.length).toBeGreaterThanOrEqual(60);
});

test.each(fixtures)('$kind: $file says what it says to its original', (fixture) => {
  const program = '/opt/app/bin/serve';
  const placed = conversions.placeFixture(fixture, makeTempDir(), { program, port: 9000 });
  const { expected } = placed;
  const { kind, pools, lost } = conversions.convertPlaced(fixture, placed, program);
  expect(kind).toBe(fixture.kind);
  if (expected.message === undefined) expectNotes(lost, expected.lost ?? []);
  else if (lost.length > 0) expect(lost.join()).toContain(expected.message);
  expect(pools.map((pool, index) => factsOf(pool, expected.pools[index]))).toEqual(
    expected.pools.map(factsWanted),
  );
});

test('docs/convert.md shows what becomes of its example', () => {
  const [input, result] = ['ini', 'sh result'].map(
    (info) => fencesOf('docs/convert.md').find((fence) => fence.info === info)?.text ?? '',
  );
  const path = join(makeTempDir(), 'shop.conf');
  writeFileSync(path, input ?? '');
  const program = '/srv/app/shop.fcgi';
  const fixture = { kind: 'supervisord', file: 'shop.conf', expected: { status: 1, pools: [] } };
  const { script } = conversions.convertPlaced(fixture, { path, expected: fixture.expected }, program);
  expect(script.replace(path, '/etc/supervisor/conf.d/shop.conf').trim()).toBe(result?.trim());
});

/** Each note is expected, and each expectation is met. */
function expectNotes(notes: readonly string[], patterns: readonly string[]): void {
  const forms = patterns.map((pattern) => new RegExp(pattern));
  expect(notes.filter((note) => !forms.some((form) => form.test(note)))).toEqual([]);
  expect(patterns.filter((_, index) => !notes.some((note) => forms[index]?.test(note)))).toEqual([]);
}

/** What can be told from the text, in the terms of an expectation. */
function factsOf(pool: WantedPool, wanted: ExpectedPool = {}): ExpectedPool {
  const { options, program, variables } = pool;
  const { address, port, socket } = options;
  const env = Object.fromEntries(
    variables.filter((one) => !one.isBySlot).map(({ name, value }) => [name, value]),
  );
  if (options.phpChildren !== undefined) env['PHP_FCGI_CHILDREN'] = options.phpChildren;
  const host = address?.includes(':') ? `[${address}]` : (address ?? '0.0.0.0');
  const all: ExpectedPool = {
    name: pool.name,
    ...(port === undefined ? {} : { address: `${host}:${port}` }),
    socket: options.chroot !== undefined && !options.socketBeforeChroot ? options.chroot + socket : socket,
    listenFd: options.listenFd,
    ...(wanted.refused ? {} : { workers: parseConfig({ ...options }, program, true).workers }),
    range: options.workers,
    uid: options.user ?? 'root',
    program: program[0] ?? options.command,
    argv: program.slice(1),
    env: Object.fromEntries(Object.entries(env).filter(([name]) => wanted.env?.[name] !== undefined)),
    onlyEnv: pool.inherits && [...new Set(['PATH', ...pool.inherits, ...Object.keys(env)])].toSorted(),
    cwd: options.chdir,
    nice: options.nice,
    pidFile: options.pidFile,
    foreground: options.foreground,
    options: Object.fromEntries(
      Object.entries(options).filter(([key]) => wanted.options?.[key] !== undefined),
    ),
  } as ExpectedPool;
  return Object.fromEntries(Object.entries(all).filter(([key]) => key in wanted && asked.has(key)));
}

const asked = new Set([
  'name',
  'address',
  'socket',
  'listenFd',
  'workers',
  'range',
  'uid',
  'program',
  'argv',
  'env',
  'onlyEnv',
  'cwd',
  'nice',
  'pidFile',
  'foreground',
  'options',
]);

function factsWanted(pool: ExpectedPool): ExpectedPool {
  const facts = Object.entries(pool);
  const wanted = Object.fromEntries(facts.filter(([key]) => asked.has(key))) as ExpectedPool;
  if (pool.refused) delete wanted.workers;
  if (wanted.onlyEnv) wanted.onlyEnv = [...new Set(wanted.onlyEnv)].toSorted();
  return wanted;
}
