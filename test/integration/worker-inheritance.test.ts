// What a worker inherits, at the first start and at every restart alike: read from the worker, while both run.
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const caller = (): string => compileC(fixture('caller.c'));

describe.for(['background', 'foreground'] as const)('in the %s', (where) => {
  test('the umask of the caller', async () => {
    for (const worker of await twoWorkers(pools.makePlace(), where, ['umask=027'])) {
      expect(worker.status['Umask']).toBe('0027');
    }
  });

  test('soft and hard RLIMIT_NOFILE of the caller, RLIMIT_CORE and RLIMIT_NPROC', async () => {
    const settings = ['nofile=256:4096', 'core=0:123', 'nproc=4000:5000'];
    for (const { limits } of await twoWorkers(pools.makePlace(), where, settings)) {
      expect(limits['Max open files']).toMatchObject({ soft: '256' });
      expect(limits['Max open files']?.hard).toMatch(/^4096\b/);
      expect(limits['Max core file size']).toMatchObject({ soft: '0' });
      expect(limits['Max processes']).toMatchObject({ soft: '4000' });
    }
  });

  test('no descriptor above 2', async () => {
    for (const { fds } of await twoWorkers(pools.makePlace(), where, ['open=3,4,5,9,10,17,63,251'])) {
      expect(fds.map(({ fd }) => fd)).toEqual([0, 1, 2]);
    }
  });

  test('no signal ignored or blocked, whatever the caller ignored', async () => {
    const settings = ['ignore=1,2,3,10,12,13,14,15,17,20,21,22,25', 'block=1,10,12,15,17,34,64'];
    for (const { status } of await twoWorkers(pools.makePlace(), where, settings)) {
      expect(status).toMatchObject({ SigIgn: '0000000000000000', SigBlk: '0000000000000000' });
    }
  });

  test('a blocking listening socket', async () => {
    for (const { fds } of await twoWorkers(pools.makePlace(), where, [])) {
      expect(fds[0]?.target).toMatch(/^socket:/);
      expect((fds[0]?.flags ?? -1) & 0o4000).toBe(0);
    }
  });

  test('priority of the caller', async () => {
    for (const { nice } of await twoWorkers(pools.makePlace(), where, ['nice=7'])) expect(nice).toBe(7);
  });
});

test('a worker is replaced although the limits of its supervisor were lowered meanwhile', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'prlimit');
  const place = pools.makePlace();
  const pool = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup', '--min-uptime', '1ms']);
  const first = await pools.onlyWorker(pool);
  // As its workers could, too.
  const asNobody = { uid: machine.NOBODY, gid: machine.NOBODY };
  await machine.runCommand('prlimit', ['--pid', String(pool.pid), '--nofile=200:200'], asNobody);
  process.kill(first, 'SIGKILL');
  const second = machine.readProcess(await pools.onlyWorker(pool, [first]));
  expect(second?.limits['Max open files']).toMatchObject({ soft: '200' });
});

/** The first worker and, after its death, the second; both of a pool that a certain caller started. */
async function twoWorkers(
  place: pools.Place,
  where: 'background' | 'foreground',
  settings: readonly string[],
): Promise<machine.ProcessFacts[]> {
  const options = ['--min-uptime', '1ms', ...(where === 'foreground' ? ['-n', '--supervise'] : [])];
  const args = [...settings, '--', pools.oursPath, ...pools.commandLine(place, options)];
  const pid = where === 'background' ? await runInBackground(place, args) : runInForeground(place, args);
  await pools.waitForEvents(place, 'pool-up');
  const first = await pools.onlyWorker({ pid });
  const facts = [machine.readProcess(first)];
  process.kill(first, 'SIGKILL');
  facts.push(machine.readProcess(await pools.onlyWorker({ pid }, [first])));
  return facts.filter((worker) => worker !== undefined);
}

async function runInBackground(place: pools.Place, args: readonly string[]): Promise<number> {
  const result = await machine.runCommand(caller(), args, { cwd: place.dir, timeoutMs: 8_000 });
  expect(result).toMatchObject({ status: 0, timedOut: false });
  return pools.printedPids(result.stdout)[0] ?? 0;
}

function runInForeground(place: pools.Place, args: readonly string[]): number {
  return pools.startForeground(args, { command: caller(), cwd: place.dir }).pid;
}
