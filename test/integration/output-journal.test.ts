// --output journal: the stream that systemd-cat opens, byte for byte, and what a real journald makes of it. Both in a mount
// namespace with a /run of its own: the machine's journal is left alone.
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { atEnd, needCommands, needRoot, runCommand, waitFor } = machine;

/** Runs a command whose /run/systemd/journal is the directory. */
const inNamespace = (directory: string, ...command: string[]): ReturnType<typeof runCommand> => {
  const mounts =
    'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal && exec "$@"';
  return runCommand('unshare', ['--mount', 'sh', '-c', mounts, directory, ...command]);
};

test('opens the stream as systemd-cat does, for all workers, and anew at a reload', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'systemd-cat');
  const place = pools.makePlace();
  const directory = join(place.dir, 'journal');
  fs.mkdirSync(directory);
  const streams: string[] = [];
  const server = createServer((socket) => {
    const index = streams.push('') - 1;
    socket.on('data', (chunk) => (streams[index] += chunk.toString()));
    socket.on('error', () => undefined);
  }).listen(join(directory, 'stdout'));
  atEnd(() => void server.close());
  await inNamespace(directory, 'systemd-cat', '-t', 'app', 'echo', 'line');
  const args = pools.commandLine(place, ['-F', '2', '--output', 'journal'], ['say=line', 'serve']);
  const started = await inNamespace(directory, pools.oursPath, ...args);
  expect(started.status).toBe(0);
  await waitFor('the lines', () => streams[1]?.endsWith('line\nline\n'));
  expect(streams[1]).toBe(`${streams[0]}line\n`);
  expect(streams[0]).toBe('app\n\n6\n1\n0\n0\n0\nline\n');
  await pools.ctl(place.stateDir, ['reload', place.socket]);
  // Of the trial, and of two workers.
  await waitFor('the new stream', () => streams[2] === `${streams[1]}line\n`);
  const { pid, output } = await pools.statusOf(place);
  expect(output).toEqual({ target: 'journal', files: [], program: null });
  await pools.endPool(place, { pid });
});

test('is refused where there is no journald', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare');
  const place = pools.makePlace();
  fs.mkdirSync(join(place.dir, 'journal'));
  const args = pools.commandLine(place, ['--output', 'journal']);
  const failed = await inNamespace(join(place.dir, 'journal'), pools.oursPath, ...args);
  expect(failed.status).toBe(255);
  expect(pools.withoutHints(failed.stderr)).toBe(
    'spawn-fcgi: --output journal: connecting to /run/systemd/journal/stdout failed: No such file or directory',
  );
  expect(pools.hintsOf(failed.stderr).join()).toContain('there is no systemd-journald here');
  await pools.expectNothingLeft(place);
});

interface Entry {
  readonly MESSAGE: string;
  readonly PRIORITY: string;
  readonly SYSLOG_IDENTIFIER: string;
  readonly _PID: string;
  readonly _UID: string;
}

test('a real journald has each line by the worker that printed it', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'journalctl', '/lib/systemd/systemd-journald');
  const place = pools.makePlace();
  const options = ['-u', 'nobody', '-F', '2', '--output', 'journal'];
  const args = pools.commandLine(place, options, ['say=fine', 'complain=<3>bad', 'serve']);
  const script = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal
/lib/systemd/systemd-journald 2>/dev/null &
until [ -S /run/systemd/journal/stdout ]; do sleep 0.01; done
"$@" >&2 || exit
look() { journalctl -D /run/log/journal -o json -t app 2>/dev/null; }
until [ "$(look | wc -l)" -ge 4 ]; do sleep 0.05; done
look`;
  // Everything in it is killed with its first process.
  const namespace = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const command = ['timeout', '20', 'sh', '-c', script, 'sh', pools.oursPath, ...args];
  const result = await runCommand('unshare', [...namespace, ...command], { timeoutMs: 25_000 });
  expect(result).toMatchObject({ status: 0 });
  const entries = result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Entry);
  expect(entries.map(({ MESSAGE, PRIORITY }) => `${PRIORITY} ${MESSAGE}`).toSorted()).toEqual([
    '3 bad',
    '3 bad',
    '6 fine',
    '6 fine',
  ]);
  expect(new Set(entries.map((entry) => entry['_UID']))).toEqual(new Set(['65534']));
  expect(new Set(entries.map((entry) => entry['_PID'])).size).toBe(2);
});
