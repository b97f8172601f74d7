// `spawn-fcgictl status --watch`: what is drawn on a terminal, every way out of it, and what there is in a pipe; colours.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { formatResult } from '../../src/control/protocol.ts';
import { answerTo, startFake, type Behaviour } from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { exampleWorker } from '../helpers/models/index.ts';
import { ctl, ctlPath, makePlace, makeStateDir, onlyWorker, start } from '../helpers/pool/index.ts';

const { needCommands, onTerminal, waitFor } = machine;
const target = '127.0.0.1:9000';
/** Says how it ended, and whether the terminal takes lines again; stays when its process group is signalled. */
const reporting = `trap : INT QUIT TERM HUP; "$@"; status=$?; stty -a | grep -o ' -*icanon'; echo "status $status"`;

function watch(
  ctx: TestContext,
  stateDir: string,
  args: readonly string[] = [],
  options: machine.TerminalOptions = {},
): machine.Terminal {
  needCommands(ctx, 'script', 'stty');
  return onTerminal(
    reporting,
    [ctlPath, '--state-dir', stateDir, 'status', '--watch', '--interval', '100ms', ...args],
    options,
  );
}

async function expectRestored(terminal: machine.Terminal, status: number): Promise<void> {
  await terminal.ended;
  expect(terminal.output()).toMatch(
    new RegExp(String.raw`\x1b\[\?7h\x1b\[\?25h\x1b\[\?1049l[\w\s()]* icanon\s+status ${status}\s*$`),
  );
}

function named(changes: Parameters<typeof answerTo>[1]): Behaviour {
  return (request, connection) => connection.end(formatResult(answerTo(request, changes)));
}

test('on a terminal the table renews itself, one question a frame, until q', async (ctx) => {
  let phase: 'serving' | 'stopping' = 'serving';
  const pool = await startFake(makeStateDir(), {
    behaviour: (request, connection) => named({ phase })(request, connection),
  });
  const terminal = watch(ctx, pool.stateDir, [target]);
  await waitFor('the table', () => terminal.frame().some((line) => line.includes(', serving')));
  phase = 'stopping';
  await waitFor('the change', () => terminal.frame().some((line) => line.includes(', stopping')));
  const before = terminal.frames();
  await waitFor('more frames', () => terminal.frames() > before + 3);
  terminal.press('q');
  await expectRestored(terminal, 0);
  expect(pool.requests.length - terminal.frames()).toBeLessThanOrEqual(1);
});

test.for([
  ['^C', '\x03', 130],
  ['^\\', '\x1c', 131],
  ['TERM', 'SIGTERM', 143],
  ['HUP', 'SIGHUP', 129],
] as const)('%s ends it by the signal, and gives the terminal back', async ([, how, status], ctx) => {
  const { stateDir } = await startFake(makeStateDir());
  const terminal = watch(ctx, stateDir);
  await waitFor('a frame', () => terminal.frames() > 0);
  if (how.startsWith('SIG')) process.kill(await terminal.pidOf('spawn-fcgictl'), how);
  else terminal.press(how);
  await expectRestored(terminal, status);
});

test('^Z gives the terminal to the shell, and fg takes it back', async (ctx) => {
  needCommands(ctx, 'script', 'stty');
  const { stateDir } = await startFake(makeStateDir());
  const line = `set -m; "$@"; stty -a | grep -o ' -*icanon'; echo stopped; fg >/dev/null; echo "status $?"`;
  const terminal = onTerminal(line, [ctlPath, '--state-dir', stateDir, 'status', '--watch']);
  await waitFor('a frame', () => terminal.frames() > 0);
  terminal.press('\x1a');
  await waitFor('the shell', () => /1049l.* icanon\s+stopped/s.test(terminal.output()));
  await waitFor('a frame again', () => /stopped.*1049h.*php-cgi on/s.test(terminal.output()));
  terminal.press('q');
  await terminal.ended;
  expect(terminal.output()).toMatch(/1049l\s*status 0\s*$/);
});

test('a pool that does not answer is named, asked once, and the others are drawn', async (ctx) => {
  const stateDir = makeStateDir();
  await startFake(stateDir);
  const silent = await startFake(stateDir, {
    address: '/run/silent.sock',
    state: { name: 'silent', pid: await machine.startSleeper() },
    behaviour: () => undefined,
  });
  const terminal = watch(ctx, stateDir);
  await waitFor('three frames', () => terminal.frames() >= 3);
  const heading = terminal.frame().find((line) => line.startsWith('silent on /run/silent.sock: PID '));
  expect(heading).toMatch(/no answer for \d+s$/);
  expect(terminal.frame().some((line) => line.startsWith('php-cgi on 127.0.0.1:9000: PID '))).toBe(true);
  expect(silent.requests).toHaveLength(1);
  terminal.press('q');
  await expectRestored(terminal, 0);
});

test('pools come, go and lose their supervisor while it watches', async (ctx) => {
  const place = makePlace();
  const terminal = watch(ctx, place.stateDir);
  const shows = (text: string | RegExp): Promise<true> =>
    waitFor(`${text}`, () => terminal.frame().some((line) => line.match(text)) || undefined);
  await shows('no pools');
  const pool = await start(place);
  await onlyWorker(pool);
  await shows(new RegExp(`^app on .*: PID ${pool.pid}, serving`));
  process.kill(pool.pid, 'SIGKILL');
  await shows(/^app on .*: dead$/);
  await shows(/^ {2}supervisor PID \d+ was killed, 1 worker serves on$/);
  expect(await ctl(place.stateDir, ['stop', place.socket])).toMatchObject({ status: 0 });
  await shows('no pools');
  terminal.press('q');
  await expectRestored(terminal, 0);
});

test('of a target that goes it says so and stays; one that was never there is a mistake', async (ctx) => {
  const pool = await startFake(makeStateDir());
  const terminal = watch(ctx, pool.stateDir, [target]);
  await waitFor('a frame', () => terminal.frames() > 0);
  rmSync(join(pool.stateDir, `${pool.id}.state`));
  await waitFor('the news', () => terminal.frame().some((line) => line.startsWith('no such pool: ')));
  terminal.press('q');
  await expectRestored(terminal, 0);
  const never = watch(ctx, pool.stateDir, [target]);
  await never.ended;
  expect(never.output()).toMatch(/^spawn-fcgictl: no such pool: '127\.0\.0\.1:9000'\s+icanon\s+status 4\s*$/);
});

test('a frame stays within the terminal, whatever its size, and follows it', async (ctx) => {
  const { stateDir } = await startFake(makeStateDir(), { behaviour: named({ name: '漢字'.repeat(20) }) });
  const terminal = watch(ctx, stateDir, ['--interval', '1h'], { columns: 50, rows: 5 });
  await waitFor('a frame', () => terminal.frame().length === 5);
  expect(terminal.frame().at(-1)).toMatch(/^\.\. \d more lines$/);
  const pid = await terminal.pidOf('spawn-fcgictl');
  await machine.runCommand('stty', ['-F', `/proc/${pid}/fd/0`, 'rows', '3', 'cols', '20']);
  // stty sets one after the other: there may be a frame between.
  await waitFor('the other size', () => {
    const frame = terminal.frame();
    return frame.length === 3 && frame[0] === 'spawn-fcgictl stat..';
  });
  terminal.press('q');
  await expectRestored(terminal, 0);
});

test('in a pipe, and on a terminal that cannot be drawn on, there are blocks without colours', async (ctx) => {
  const { stateDir } = await startFake(makeStateDir(), { behaviour: named({ uptimeMs: 1000 }) });
  const env = { ...process.env, FORCE_COLOR: '1' };
  const once = await ctl(stateDir, ['status'], { env });
  const heading = once.stdout.split('\n')[0] ?? '';
  const every = ['status', '--watch', '--interval', '100ms', '--count'];
  const watched = await ctl(stateDir, [...every, '2'], { env });
  expect(watched).toMatchObject({ status: 0, stderr: '' });
  const blocks = watched.stdout.split('\n\n').map((block) => block.split('\n'));
  expect(blocks.map(([time, first]) => [time?.replaceAll(/\d/g, '0'), first])).toEqual(
    Array.from({ length: 2 }, () => ['0000-00-00 00:00:00', heading]),
  );
  expect(blocks.map((lines) => lines.some((line) => / in \d\.\ds: /.test(line)))).toEqual([false, true]);
  expect(watched.stdout + once.stdout).not.toContain('\x1b');
  const dumb = watch(ctx, stateDir, ['--count', '1'], { env: { TERM: 'dumb' } });
  await dumb.ended;
  expect(dumb.output()).not.toContain('\x1b');
  expect(dumb.output()).toMatch(/^[\d: -]+\s+php-cgi on .* icanon\s+status 0\s*$/s);
});

test('keys sort, change the interval and move what has no room', async (ctx) => {
  const stateDir = makeStateDir();
  const counts = { restarts: { crash: 0 }, reloads: {} };
  const workers = [
    exampleWorker({ pid: process.pid, pids: [process.pid] }),
    exampleWorker({ slot: 1, pid: null, pids: [], restarts: 9 }),
  ];
  await startFake(stateDir, { behaviour: named({ counts, workers }) });
  const sleeper = await machine.startSleeper();
  await startFake(stateDir, {
    address: '/run/zz.sock',
    state: { name: 'zz', pid: sleeper },
    behaviour: named({ name: 'zz', address: '/run/zz.sock', pid: sleeper, workers: [] }),
  });
  const terminal = watch(ctx, stateDir, [], { rows: 11 });
  const shows = (text: RegExp): Promise<true> =>
    waitFor(`${text}`, () => terminal.frame().some((line) => text.test(line)) || undefined);
  await shows(/every 100 ms, by slot;/);
  await shows(/^ {2}CPU \d+\.\d%, in [\d.]+s: RSS \d+M.*, no restarts, queue empty, /);
  const slots = (): (string | undefined)[] =>
    terminal.frame().flatMap((line) => /^ {5}(\d) /.exec(line)?.[1] ?? []);
  expect(slots()).toEqual(['0', '1']);
  terminal.press('r');
  await shows(/by restarts;/);
  expect(slots()).toEqual(['1', '0']);
  terminal.press('m+');
  await shows(/every 200 ms, by memory;/);
  expect(slots()).toEqual(['0', '1']);
  terminal.press('-');
  await shows(/every 100 ms,/);
  await shows(/^\.\. \d more lines$/);
  terminal.press('\x1b[B');
  await shows(/^\.\. 1 above, /);
  terminal.press('G');
  await shows(/^zz on/);
  terminal.press('gq');
  await expectRestored(terminal, 0);
});

test.for([
  ['', { TERM: 'xterm' }, true],
  [' with NO_COLOR', { NO_COLOR: '1' }, false],
  [' that is dumb', { TERM: 'dumb' }, false],
] as const)('on a terminal%s words of status have colours: %j %s', async ([, env, isColoured], ctx) => {
  needCommands(ctx, 'script', 'stty');
  const { stateDir } = await startFake(makeStateDir());
  const terminal = onTerminal('"$@"', [ctlPath, '--state-dir', stateDir, 'status'], { env });
  expect(await terminal.ended).toBe(0);
  expect(terminal.output().includes('\x1b[32mserving\x1b[39m,')).toBe(isColoured);
  expect(terminal.output().includes('\x1b')).toBe(isColoured);
});

test('with --json it is an array a line, as long as somebody reads', async () => {
  const pool = await startFake(makeStateDir());
  const line = '"$@" | head -n 3';
  const args = [ctlPath, '--state-dir', pool.stateDir, 'status', '--watch', '--json', '--interval', '100ms'];
  const { status, stdout, stderr } = await machine.runCommand('/bin/sh', ['-c', line, 'sh', ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const frames = stdout.trimEnd().split('\n');
  expect(frames).toHaveLength(3);
  for (const frame of frames) expect(JSON.parse(frame)).toMatchObject([{ name: 'php-cgi', pid: pool.pid }]);
  const trends = frames.map((frame) => (JSON.parse(frame) as { trend?: object }[])[0]?.trend);
  expect(trends[0]).toBeUndefined();
  expect(trends[2]).toMatchObject({ queue: { most: 0 }, share: { busy: 25, kept: 0, idle: 75 } });
});
