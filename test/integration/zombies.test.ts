// What the command leaves to a PID 1 that reaps nobody, as `tail -f` in a container: nothing of its own, in failure
// and in success.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { oursPath, startForeground, commandLine, makePlace, type Place } from '../helpers/pool/index.ts';

/** Runs the script below a PID 1 that never waits, and tells whom that has inherited and not reaped. */
async function zombiesAfter(ctx: TestContext, place: Place, script: string, shell = 'sh'): Promise<string[]> {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', shell);
  // The script's own shell stays, so that it is no zombie either.
  const body = `cd '${place.dir}'\n${script}\n: > done\nexec tail -f /dev/null\n`;
  writeFileSync(join(place.dir, 'script'), body);
  const outer = startForeground([...namespace, 'sh', '-c', 'sh script & exec tail -f /dev/null'], {
    command: 'unshare',
    cwd: place.dir,
  });
  const isDone = (): boolean => existsSync(join(place.dir, 'done'));
  // Up to four starts.
  await machine.waitFor('the end of the script', isDone, { timeoutMs: 40_000 });
  const first = await machine.waitFor('PID 1 of the container', () => machine.childrenOf(outer.pid)[0]);
  expect(machine.readStat(first)?.comm).toBe('tail');
  const zombies = machine.allStats().filter(({ parent, state }) => parent === first && state === 'Z');
  const names = zombies.map(({ comm }) => comm).toSorted();
  process.kill(first, 'SIGKILL');
  await outer.ended;
  return names;
}

/** However slow the machine is: who ends without a word to NOTIFY_SOCKET was never up. */
const strict = ['--ready', 'notify'];

const namespace = ['--pid', '--fork', '--kill-child', '--mount-proc'];

function call(place: Place, options: readonly string[], actions: readonly string[], front = ''): string {
  const words = commandLine(place, options, actions).map((word) => `'${word}'`);
  return `${front} '${oursPath}' ${words.join(' ')} >> output 2>&1; echo $? >> statuses`;
}

function statusesOf({ dir }: Place): string[] {
  return readFileSync(join(dir, 'statuses'), 'utf8').trim().split('\n');
}

test('failed starts leave no zombie', async (ctx) => {
  const place = makePlace();
  const dies = call(place, strict, ['exit=3']);
  const diesUnprivileged = call(place, [...strict, '-u', 'nobody', '-P', place.pidFile], ['exit=4']);
  const isMissing = call({ ...place, app: join(place.dir, 'missing') }, [], []);
  const isRefused = call(place, ['-F', 'abc'], []);
  const script = [dies, diesUnprivileged, isMissing, isRefused].join('\n');
  expect(await zombiesAfter(ctx, place, script)).toEqual([]);
  expect(statusesOf(place)).toEqual(['3', '4', '2', '255']);
});

test('a failed start leaves no zombie of what its workers had started', async (ctx) => {
  const place = makePlace();
  const actions = [`child=${join(place.dir, 'children')}`, 'exit=3'];
  expect(await zombiesAfter(ctx, place, call(place, strict, actions))).toEqual([]);
  expect(statusesOf(place)).toEqual(['3']);
});

test('a start leaves no zombie, with and without a supervisor', async (ctx) => {
  const place = makePlace();
  const socket = join(place.dir, 'run/other.sock');
  const supervised = call(place, ['-u', 'nobody'], ['serve']);
  const alone = `'${oursPath}' --no-supervise -u nobody -s '${socket}' -- '${place.app}' serve; echo $? >> statuses`;
  // Without a supervisor there is no --state-dir, and as nobody the files in it stay.
  const script = ['mount -t tmpfs tmpfs /run', supervised, alone].join('\n');
  expect(await zombiesAfter(ctx, place, script)).toEqual([]);
  expect(statusesOf(place)).toEqual(['0', '0']);
});

for (const shell of ['sh', 'bash', 'busybox']) {
  test(`a caller that blocks SIGCHLD gets the status, and no zombie: ${shell}`, async (ctx) => {
    machine.needCommands(ctx, shell);
    const place = makePlace();
    const words = `'${machine.findCommand(shell)}'${shell === 'busybox' ? ' sh' : ''}`;
    const front = `'${compileC(fixture('caller.c'))}' block=17 -- ${words}`;
    const script = [call(place, strict, ['exit=3'], front), call(place, [], ['serve'], front)].join('\n');
    expect(await zombiesAfter(ctx, place, script)).toEqual([]);
    expect(statusesOf(place)).toEqual(['3', '0']);
  });
}

test('a pool that has ended is no zombie with the name of its program', async (ctx) => {
  const place = makePlace();
  const pool = call(place, ['-P', place.pidFile], ['serve']);
  const stop = `pid=$(cat '${place.pidFile}'); kill $pid; until grep -q '(zombie)' /proc/$pid/status; do :; done`;
  expect(await zombiesAfter(ctx, place, `${pool}\n${stop}`)).toEqual(['ended']);
});

test('what a worker leaves behind is reaped by its supervisor', async (ctx) => {
  const place = makePlace();
  const once = join(place.dir, 'once');
  chmodSync(place.dir, 0o777);
  const actions = [
    `once=${once}`,
    `child=${join(place.dir, 'children')}`,
    `when=${once}`,
    'pause=1100',
    'raise=9',
    'serve',
  ];
  const script = `${call(place, [], actions)}\nuntil [ "$(wc -l < report)" -gt 1 ]; do :; done\nuntil ! kill -0 $(cat children) 2> /dev/null; do :; done`;
  expect(await zombiesAfter(ctx, place, script)).toEqual([]);
});
