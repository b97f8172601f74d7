// The plugin of docs/monitoring/ on metrics that a test makes up, in each awk that is there: its words, its statuses, large
// figures.
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findCommand, makeTempDir, runCommand } from '../helpers/machine/index.ts';

const plugin = join(import.meta.dirname, '../../docs/monitoring/check_spawn_fcgi');
/** A pool may be called anything, also what looks like a label. */
const labels = String.raw`pool="a|b,state=\"idle\"",address="/run/a.sock"`;

function metrics(changes: Readonly<Record<string, number>> = {}): string {
  const values: Record<string, number> = {
    up: 1,
    serving: 1,
    reachable: 1,
    'workers,state="idle"': 1,
    'workers,state="busy"': 3,
    'workers,state="backoff"': 0,
    queue_length: 0,
    queue_limit: 128,
    'restarts_total,reason="planned"': 7,
    'restarts_total,reason="crash"': 2,
    workers_resident_bytes: 5_000_000_000,
    cpu_seconds_total: 0.25,
    ...changes,
  };
  const lines = Object.entries(values).map(([name, value]) => {
    const [metric, label] = name.split(',');
    return `spawn_fcgi_${metric}{${labels}${label === undefined ? '' : `,${label}`}} ${value}`;
  });
  return `# HELP spawn_fcgi_up Whether, it lives\nphpfpm_up{${labels}} 1\n${lines.join('\n')}\n`;
}

/** What it says of these metrics, or of a spawn-fcgictl that ends so. */
async function check(
  text: string,
  status = 0,
  args: readonly string[] = [],
  { awk = 'awk', target = '/run/a.sock' } = {},
) {
  const dir = makeTempDir();
  writeFileSync(join(dir, 'metrics'), text);
  const ctl = join(dir, 'spawn-fcgictl');
  writeFileSync(ctl, `#!/bin/sh\ncat ${dir}/metrics\nexit ${status}\n`, { mode: 0o755 });
  const busybox = awk === 'busybox' ? findCommand('busybox') : findCommand(awk);
  symlinkSync(busybox ?? '', join(dir, 'awk'));
  const result = await runCommand(plugin, [...args, target], {
    env: { PATH: `${dir}:${process.env['PATH']}`, SPAWN_FCGICTL: ctl },
  });
  expect(result.stderr).toBe('');
  return [result.status, result.stdout] as const;
}

const figures =
  'busy=3 kept=0 unknown=0 starting=0 backoff=0 restarts=9c failures=2c rss=5000000000B cpu=0.25s\n';

const awks = ['mawk', 'gawk', 'busybox', 'original-awk'].filter((name) => findCommand(name) !== undefined);

test.each(awks)('%s counts beyond two gigabytes, and is not misled by names', async (awk) => {
  expect(await check(metrics(), 0, [], { awk })).toEqual([
    0,
    `OK: /run/a.sock: 1 idle, 3 busy | queue=0;;;0;128 idle=1 ${figures}`,
  ]);
});

test.each([
  [{ up: 0 }, [], 2, 'CRITICAL: /run/a.sock: its supervisor was killed'],
  [{ serving: 0 }, [], 2, 'CRITICAL: /run/a.sock: nobody serves'],
  [
    { reachable: 0, last_reload_success: 0 },
    [],
    2,
    'CRITICAL: /run/a.sock: nobody can connect, the last reload failed',
  ],
  [{ last_reload_success: 0 }, [], 1, 'WARNING: /run/a.sock: the last reload failed'],
  [{ 'workers,state="backoff"': 2 }, [], 1, 'WARNING: /run/a.sock: 2 of the workers wait for their next try'],
  [{ queue_length: 9 }, [], 0, 'OK: /run/a.sock: 1 idle, 3 busy'],
  [{ queue_length: 9, 'workers,state="idle"': 0 }, [], 1, 'WARNING: /run/a.sock: saturated, 9 wait'],
  [{ queue_length: 9 }, ['-w', '10'], 0, 'OK: /run/a.sock: 1 idle, 3 busy'],
  [{ queue_length: 10 }, ['-w', '10', '-c', '100'], 1, 'WARNING: /run/a.sock: 10 connections wait'],
  [{ queue_length: 100 }, ['-w', '10', '-c', '100'], 2, 'CRITICAL: /run/a.sock: 100 connections wait'],
] as const)('%o with %j is %d, %s', async (changes, args, status, text) => {
  const [exit, said] = await check(metrics(changes), 0, args);
  expect([exit, said.split(' | ')[0]]).toEqual([status, text]);
});

test.each([
  [4, 2, 'CRITICAL: no such pool'],
  [6, 2, 'CRITICAL: no such pool'],
  [5, 3, 'UNKNOWN: no such pool'],
  [255, 3, 'UNKNOWN: no such pool'],
  [127, 3, 'UNKNOWN: no such pool'],
])('a spawn-fcgictl that ends with %d is %d', async (status, exit, text) => {
  expect(await check('no such pool|x', status)).toEqual([exit, `${text}\n`]);
});

const odd = String.raw`/run/a\tb\c`;

test.each(awks)('a backslash is one, also by %s', async (awk) => {
  const [, said] = await check(metrics(), 0, [], { awk, target: odd });
  expect(said.startsWith(`OK: ${odd}: 1 idle, 3 busy | queue=`)).toBe(true);
  expect(await check(`no such pool: '${odd}'`, 4)).toEqual([2, `CRITICAL: no such pool: '${odd}'\n`]);
});

test('a wrong option is said where it is read', async () => {
  const usage = 'UNKNOWN: check_spawn_fcgi [-w QUEUE] [-c QUEUE] [-s STATE_DIR] TARGET\n';
  expect(await check(metrics(), 0, ['-q'])).toEqual([3, usage]);
  expect(await check(metrics(), 0, ['-w', 'x'])).toEqual([3, usage]);
});
