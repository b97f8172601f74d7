// -n in place as root with -u: what fails before the exec is judged as the user, and leaves nothing.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isRoot, needRoot, runCommand, type RunResult, NOBODY } from '../helpers/machine/index.ts';
import { oursPath, makePlace, withoutHints, type Place } from '../helpers/pool/index.ts';

const user = ['-u', String(NOBODY), '-g', String(NOBODY)];

function exec(place: Place, args: readonly string[], cwd = place.dir): Promise<RunResult> {
  return runCommand(oursPath, ['-n', ...(isRoot ? user : []), '-s', place.socket, ...args], { cwd });
}

test('works from a directory that the user may not search', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const closed = join(place.dir, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  const result = await exec(place, ['--', '/bin/echo', 'hello'], closed);
  expect(result).toMatchObject({ status: 0, stdout: 'hello\n' });
});

describe('what only root could run is refused, and no socket stays', () => {
  function script(place: Place, text: string, mode: number): string {
    const path = join(place.dir, 'closed', 'script');
    mkdirSync(join(place.dir, 'closed'), { mode: 0o755 });
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  }

  test.for<[string, string, number, number]>([
    ['a program of root alone', '#!/bin/sh\n', 0o700, 13],
    ['no format that the kernel knows', 'echo hello\n', 0o755, 8],
    ['a #! line with CRLF', '#!/bin/sh\r\n', 0o755, 2],
  ])('%s', async ([, text, mode, status], ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const result = await exec(place, ['--', script(place, text, mode)]);
    expect(result.status).toBe(status);
    expect(withoutHints(result.stderr)).toContain('spawn-fcgi: exec failed: ');
    expect(readdirSync(place.runDir)).toEqual([]);
  });

  test('a directory of root alone for -d', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const closed = join(place.dir, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    const result = await exec(place, ['-d', closed, '--', '/bin/echo']);
    expect(result.status).toBe(255);
    expect(withoutHints(result.stderr)).toContain(`chdir('${closed}') failed: Permission denied`);
    expect(readdirSync(place.runDir)).toEqual([]);
  });
});

test('arguments reach the program byte for byte, also those that decode alike', async () => {
  const place = makePlace();
  const program = `printf '%s ' "$@" | od -An -tx1`;
  // The shell makes the bytes: Node could not pass them on.
  const line = `exec "$0" -n -s "$1" -- /bin/sh -c "$2" sh "$(printf '\\351')" "$(printf '\\350')" "$(printf 'x\\350')"`;
  const result = await runCommand('/bin/sh', ['-c', line, oursPath, place.socket, program]);
  expect(result.stdout.trim()).toBe('e9 20 e8 20 78 e8 20');
});

test('a program whose name is not UTF-8 is executed', async () => {
  const place = makePlace();
  const line = `cp "$2" "$3/$(printf 'a\\351p')" && exec "$0" -n -s "$1" -- "$3/$(printf 'a\\351p')" exit=7`;
  const result = await runCommand('/bin/sh', ['-c', line, oursPath, place.socket, place.app, place.dir]);
  expect(result).toMatchObject({ status: 7, stderr: '' });
});

test.for(['-s', '-P', '-d', '--state-dir', '--log', '--worker-pid-file'])(
  'a value of %s that is not UTF-8 is refused, and nothing is made under another name',
  async (option) => {
    const place = makePlace();
    const line = `exec "$0" -s '${place.socket}' ${option} "$1/$(printf 'a\\351p')" -- "$2" serve`;
    const result = await runCommand('/bin/sh', ['-c', line, oursPath, place.runDir, place.app]);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toBe(`spawn-fcgi: value of ${option} is not UTF-8: '${place.runDir}/a\ufffdp'\n`);
    expect(readdirSync(place.runDir)).toEqual([]);
  },
);
