// A container whose memory is limited: whom the out-of-memory killer takes in it, and what becomes of the container.
import { writeFileSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import * as containers from '../helpers/container/index.ts';
import { canLimit, isAlive, waitFor, type Stat } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

interface Limited {
  place: pools.Place;
  container: containers.Container;
  supervisor: Stat;
  /** Requests, each of which costs 10 MB, until then. */
  askUntil: (isEnough: () => boolean) => Promise<void>;
}

async function startLimited(ctx: TestContext, isPid1: boolean): Promise<Limited> {
  containers.needContainers(ctx);
  const hasGroup =
    canLimit('/sys/fs/cgroup/memory', 'memory.limit_in_bytes') || canLimit('/sys/fs/cgroup', 'memory.max');
  ctx.skip(!hasGroup, 'needs a memory cgroup that can be made below /sys/fs/cgroup');
  const place = pools.makePlace();
  const line = ['-F', '2', '-M', '666', '-u', 'www-data', '-s', place.socket, '--state-dir', place.stateDir];
  const program = ['--', place.app, 'grow=10', 'serve'];
  const background = ['spawn-fcgi', ...line, ...program].join(' ');
  const args = isPid1
    ? ['spawn-fcgi', '-n', '--supervise', ...line, ...program]
    : ['/bin/sh', '-c', `${background} && exec sleep 1000`];
  const volumes = { [place.dir]: place.dir };
  const container = await containers.startContainer({ args, volumes, cwd: place.dir, memoryMiB: 100 });
  const visit = (): Promise<boolean> =>
    pools.visit({ path: place.socket }).then(
      () => true,
      () => false,
    );
  await waitFor('the pool', visit);
  const supervisor = await waitFor('two workers', () => {
    const pool = containers.poolIn(container);
    return pool.workers.length === 2 && pool.supervisor;
  });
  const askUntil = async (isEnough: () => boolean): Promise<void> => {
    await waitFor('enough requests', async () => isEnough() || ((await visit()) && isEnough()), {
      timeoutMs: 30_000,
    });
  };
  return { place, container, supervisor, askUntil };
}

test(
  'workers that grow die one by one, and a supervisor that is PID 1 replaces them',
  { timeout: 60_000 },
  async (ctx) => {
    const { container, askUntil } = await startLimited(ctx, true);
    const ends = (): number => container.stderr().match(/ was killed by SIGKILL after /g)?.length ?? 0;
    await askUntil(() => ends() >= 3);
    await waitFor('two workers', () => container.processes().length === 3);
    expect(await containers.stopContainer(container)).toMatchObject({ status: 0, isKilled: false });
  },
);

/** As if it were the one that has grown: it is next. */
function condemn({ supervisor }: Limited): void {
  writeFileSync(`/proc/${supervisor.pid}/oom_score_adj`, '1000');
}

test('a supervisor that is PID 1 takes the container along: its restart policy starts a whole one', async (ctx) => {
  const limited = await startLimited(ctx, true);
  condemn(limited);
  let status: number | null | undefined;
  void limited.container.ended.then((ended) => (status = ended.status));
  await limited.askUntil(() => status !== undefined);
  expect(status).toBe(137);
  await pools.expectNoProcess(limited.place);
});

test('behind another PID 1 its workers serve on, and the health check of the container fails', async (ctx) => {
  const limited = await startLimited(ctx, false);
  const { container, supervisor, place } = limited;
  condemn(limited);
  await limited.askUntil(() => !isAlive(supervisor.pid, supervisor.startTime));
  // What is looked at with takes memory as well, and would be the next to be killed, or a worker.
  await container.limitMemory(1000);
  await pools.visit({ path: place.socket });
  const ping = await container.exec(['spawn-fcgictl', '--state-dir', place.stateDir, 'ping', place.socket]);
  expect(ping.status).not.toBe(0);
  // Docker lets nobody take the socket out of them.
  const again = await container.exec([
    'spawn-fcgi',
    '-s',
    place.socket,
    '--state-dir',
    place.stateDir,
    '--',
    place.app,
  ]);
  expect(again).toMatchObject({ status: 255 });
  expect(pools.withoutHints(again.stderr)).toBe("spawn-fcgi: socket is already in use, can't spawn");
  expect(pools.hintsOf(again.stderr).join()).toContain('without CAP_SYS_PTRACE root cannot look into that');
});
