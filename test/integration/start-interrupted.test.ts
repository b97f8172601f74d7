// A start that is interrupted leaves nothing behind. The window is short (100 ms), so the worker itself holds it open:
// it stops its supervisor, and the test lets that go on when the command has got its signal.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, readStat, isRoot, makeTempDir, waitFor, type Stat } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const users = [
  { who: 'the caller', options: [] },
  { who: 'nobody, in directories of root', options: ['-u', 'nobody', '-g', 'nogroup'] },
] as const;
const patience = [
  { when: 'seen right after the signal', actions: ['hang'] },
  { when: 'seen when the worker would be up', actions: ['serve'] },
] as const;

describe.for(users)('a start with workers as $who', { concurrent: false }, ({ options }) => {
  const needed = options.length > 0 && !isRoot ? 'needs root' : undefined;

  describe.for(signals)('interrupted by %s to the command', (signal) => {
    test.for(patience)('leaves nothing, $when', async ({ actions }, ctx) => {
      ctx.skip(needed !== undefined, needed);
      const { place, command, supervisor } = await heldStart(options, actions);
      process.kill(command.pid, signal);
      // A command that does not end at once is judged by what it leaves.
      await waitFor('the end of the command', () => !isAlive(command.pid), { timeoutMs: 500 }).catch(
        () => undefined,
      );
      process.kill(supervisor, 'SIGCONT');
      expect((await command.ended).status).not.toBe(0);
      await pools.expectNothingLeft(place);
      expect(command.stdout()).not.toContain('successfully');
    });
  });

  // The guard is there as root with -u only; without it, workers of a killed supervisor live on as at any other time.
  test('leaves nothing where there is a guard when the supervisor gets KILL, and the command says so', async (ctx) => {
    ctx.skip(needed !== undefined, needed);
    const { place, command, supervisor } = await heldStart(options, ['hang'], [`child=${makeOpenFile()}`]);
    process.kill(supervisor, 'SIGKILL');
    expect((await command.ended).status).toBe(1);
    expect(command.stderr()).toContain('spawn-fcgi: ');
    if (options.length === 0) return;
    await pools.expectNoProcess(place);
    await waitFor('the removal of all files', () => pools.filesOf(place).length === 0, { timeoutMs: 3_000 });
  });

  test('is no success for the command when the supervisor gets KILL before it knows that the command read it', async (ctx) => {
    ctx.skip(needed !== undefined, needed);
    const { place, command, supervisor } = await heldStart(options, ['serve']);
    // Nobody reads what the supervisor has to tell.
    const shells = pools.processesOf(place).filter(({ comm }) => ['sh', 'spawn-fcgi'].includes(comm));
    for (const { pid } of shells) process.kill(pid, 'SIGSTOP');
    await waitFor('their stop', () => shells.every(({ pid }) => readStat(pid)?.state === 'T'));
    process.kill(supervisor, 'SIGCONT');
    await waitFor('the PID file', () => readFileSync(place.pidFile, 'utf8') === String(supervisor));
    await waitFor('the supervisor to wait', () => readStat(supervisor)?.state === 'S');
    process.kill(supervisor, 'SIGKILL');
    for (const { pid } of shells) process.kill(pid, 'SIGCONT');
    expect((await command.ended).status).toBe(1);
    expect(command.stdout()).toBe('');
    if (options.length > 0) await pools.expectNothingLeft(place);
  });

  test.for(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
    'leaves nothing when the supervisor gets %s',
    async (signal, ctx) => {
      ctx.skip(needed !== undefined, needed);
      const { place, command, supervisor } = await heldStart(options, ['hang']);
      process.kill(supervisor, signal);
      process.kill(supervisor, 'SIGCONT');
      expect((await command.ended).status).toBe(1);
      await pools.expectNothingLeft(place);
    },
  );

  test('whose workers ignore TERM leaves nothing either', async (ctx) => {
    ctx.skip(needed !== undefined, needed);
    const { place, command, supervisor } = await heldStart(
      [...options, '--stop-timeout', '300ms'],
      ['hang'],
      ['ignore=15'],
    );
    process.kill(command.pid, 'SIGTERM');
    process.kill(supervisor, 'SIGCONT');
    await command.ended;
    await pools.expectNothingLeft(place);
  });

  test.for([
    ['all workers exit', 'app', 3],
    ['the program is missing', 'missing', 2],
  ] as const)('that fails because %s leaves nothing', async ([, program, status], ctx) => {
    ctx.skip(needed !== undefined, needed);
    const place = pools.makePlace();
    const worker = join(place.dir, program);
    const pattern = join(place.runDir, 'worker-%i.pid');
    const all = [...options, '-P', place.pidFile, '-F', '3', '--worker-pid-file', pattern];
    const result = await pools.run({ ...place, app: worker }, all, ['exit=3']);
    expect(result.status).toBe(status);
    await pools.expectNothingLeft(place);
  });
});

test.for(['SIGINT', 'SIGTERM'] as const)(
  '%s to a foreground start that is not up yet leaves nothing',
  async (signal) => {
    const place = pools.makePlace();
    const mark = join(place.dir, 'stopped');
    const options = ['-n', '--supervise', '-P', place.pidFile];
    const command = pools.startForeground(
      pools.commandLine(place, options, [`stop-parent=${mark}`, 'hang']),
      {
        cwd: place.dir,
      },
    );
    await pools.waitForPids(mark);
    process.kill(command.pid, signal);
    process.kill(command.pid, 'SIGCONT');
    expect((await command.ended).signal).toBeNull();
    await pools.expectNothingLeft(place);
  },
);

test.for(signals)('%s to a start that waits for a pool to stop leaves that pool alone', async (signal) => {
  const place = pools.makePlace();
  const first = await pools.start(
    place,
    ['-P', place.pidFile, '--stop-timeout', '1h'],
    ['slow-end=60000', 'serve'],
  );
  const worker = await pools.onlyWorker(first);
  process.kill(first.pid, 'SIGTERM');
  const second = pools.startForeground(pools.commandLine(place, []), { cwd: place.dir });
  const others = (): readonly Stat[] =>
    pools.processesOf(place).filter(({ pid, parent }) => ![pid, parent].includes(first.pid));
  await waitFor('the second supervisor', () =>
    others().find(({ pid, parent }) => ![pid, parent].includes(second.pid)),
  );
  process.kill(second.pid, signal);
  await second.ended;
  expect(isAlive(first.pid)).toBe(true);
  await waitFor('the end of the second start', () => others().length === 0);
  // A pool that stops takes its socket's file away itself, and its workers go on.
  expect(isAlive(first.pid)).toBe(true);
  process.kill(worker, 'SIGKILL');
  await pools.expectNothingLeft(place);
});

/** A file that a worker of any user can write. */
function makeOpenFile(): string {
  const file = join(makeTempDir(), 'pids');
  writeFileSync(file, '');
  chmodSync(file, 0o666);
  return file;
}

test.for(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s to a foreground start before its workers run ends it with 0',
  async (signal) => {
    const place = pools.makePlace();
    const first = await pools.start(place, ['--stop-timeout', '1h'], ['slow-end=60000', 'serve']);
    process.kill(first.pid, 'SIGTERM');
    const second = pools.startForeground(
      pools.commandLine(place, ['-n', '--supervise', '-P', place.pidFile]),
      {
        cwd: place.dir,
      },
    );
    // It takes its name once it hears signals, right before it waits for the first pool.
    await waitFor('the second start', () => readStat(second.pid)?.comm === 'app');
    process.kill(second.pid, signal);
    expect(await second.ended).toEqual({ status: 0, signal: null });
    expect(existsSync(place.pidFile)).toBe(false);
    expect(second.stderr()).toContain(`start interrupted by ${signal}`);
  },
);

interface HeldStart {
  place: pools.Place;
  command: pools.ForegroundPool;
  /** Stopped by its worker. */
  supervisor: number;
}

async function heldStart(
  options: readonly string[],
  actions: readonly string[],
  before: readonly string[] = [],
): Promise<HeldStart> {
  const place = pools.makePlace();
  // report is writable for all; the mark of the stopped supervisor goes there, too.
  const args = pools.commandLine(
    place,
    ['-P', place.pidFile, ...options],
    [...before, `stop-parent=${place.report}`, ...actions],
  );
  const command = pools.startForeground(args, { cwd: place.dir });
  const [worker = 0] = await pools.waitForPids(place.report, 2);
  const supervisor = await waitFor('the stopped supervisor', () => {
    const parent = readStat(worker)?.parent ?? 0;
    return readStat(parent)?.state === 'T' && parent;
  });
  return { place, command, supervisor };
}
