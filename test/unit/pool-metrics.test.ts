// The metrics of pools: what they say, in which form, and that nothing in a name can break it.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatFamilies } from '../../src/control/metrics/exposition.ts';
import { poolFamilies } from '../../src/control/metrics/pool-metrics.ts';
import * as machine from '../helpers/machine/index.ts';
import { exampleFigures as figures, nastyNames } from '../helpers/models/index.ts';

const text = formatFamilies(poolFamilies([figures()], [], true), 'openmetrics');
const labels = 'pool="php-cgi",address="/run/php.sock"';

test.each([
  `phpfpm_listen_queue{${labels}} 3`,
  `spawn_fcgi_workers{${labels},state="kept"} 1`,
  `spawn_fcgi_workers{${labels},state="backoff"} 1`,
  `spawn_fcgi_workers_outdated{${labels}} 1`,
  `spawn_fcgi_spares{${labels},state="ready"} 1`,
  `spawn_fcgi_spares_wanted{${labels}} 2`,
  `spawn_fcgi_replacements_total{${labels},guard="max-age"} 4`,
  `spawn_fcgi_slow_requests_total{${labels}} 5`,
  `spawn_fcgi_stuck_requests_total{${labels}} 2`,
  `spawn_fcgi_workers_max{${labels}} 4`,
  `spawn_fcgi_queue_limit{${labels}} 128`,
  `spawn_fcgi_restarts_total{${labels},reason="crash"} 2`,
  `spawn_fcgi_reloads_total{${labels},result="rolled-back"} 1`,
  `spawn_fcgi_reloads_total{${labels},result="reloaded"} 0`,
  `spawn_fcgi_last_reload_age_seconds{${labels}} 60`,
  `spawn_fcgi_last_reload_success{${labels}} 1`,
  `spawn_fcgi_cpu_seconds_total{${labels}} 60`,
  `spawn_fcgi_supervisor_resident_bytes{${labels}} 50000000`,
  `spawn_fcgi_worker_resident_bytes{${labels},slot="0"} 1000`,
])('metrics have %s', (line) => {
  expect(text.split('\n')).toContain(line);
});

test('they are OpenMetrics: each family once, a counter without its ending, and the end at the end', () => {
  const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]);
  expect(new Set(families.map(([name]) => name)).size).toBe(families.length);
  expect(families.filter(([name]) => name?.endsWith('_total'))).toEqual([]);
  expect(text.endsWith('\n# EOF\n')).toBe(true);
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(new Set(samples.map((line) => line.replace(/ \S+$/, ''))).size).toBe(samples.length);
});

test.each(poolFamilies([figures()], [], true))('the page of monitoring has $name', ({ name, type }) => {
  const page = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8');
  const isOurs = name.startsWith('spawn_fcgi_');
  expect(page).toContain(isOurs ? `\`${name}${type === 'counter' ? '_total' : ''}\`` : 'phpfpm_listen_queue');
});

test('they do not have each worker unless that is asked for', () => {
  expect(formatFamilies(poolFamilies([figures()], [], false), 'openmetrics')).not.toContain('slot=');
});

test('those of a pool whose supervisor was killed say that, and how many serve on', () => {
  const dead = [{ name: 'app', address: '@x', orphans: 2 }];
  const lines = formatFamilies(poolFamilies([figures()], dead, false), 'prometheus').split('\n');
  expect(lines).toContain('spawn_fcgi_up{pool="app",address="@x"} 0');
  expect(lines).toContain(`spawn_fcgi_up{${labels}} 1`);
  expect(lines).toContain('spawn_fcgi_orphans{pool="app",address="@x"} 2');
});

test('any label is escaped so that it is one line and can be read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const [, , line = '', ...rest] = formatFamilies(
        [{ name: 'a', type: 'gauge', help: 'h', samples: [{ labels: { x: value }, value: 1 }] }],
        'prometheus',
      ).split('\n');
      const inside = /^a\{x="((?:[^"\\]|\\["\\n])*)"\} 1$/su.exec(line)?.[1];
      const back = inside?.replaceAll(/\\(.)/g, (_all, one: string) => (one === 'n' ? '\n' : one));
      expect([back, rest]).toEqual([value.toWellFormed(), ['']]);
    }),
  );
});

test.for(nastyNames)('promtool finds nothing wrong with a pool that is called %j', (name, ctx) => {
  machine.needCommands(ctx, 'promtool');
  const input = formatFamilies(poolFamilies([figures({ name }), figures()], [], true), 'prometheus');
  expect(execFileSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' })).toBe('');
});
