// Which command reaches a pool, as docs/init-scripts.md tells it: each row of its table, and each of its short recipes.
import { describe, expect, test, type TestContext } from 'vitest';
import { emptyMachine, needMachine, poolOn, startMachine, type InitMachine } from '../helpers/init/index.ts';
import { waitFor } from '../helpers/machine/index.ts';
import { plainBlocks, initScriptsStart, stopCommands } from '../helpers/pages/index.ts';

const pythonApp = `#!/usr/bin/python3
import os, socket
listener = socket.socket(fileno=os.dup(0))
while True:
    listener.accept()[0].close()`;

const tools = ['killall', 'pidof', 'pgrep', 'start-stop-daemon', 'busybox', 'fuser', 'lsof'];

function need(ctx: TestContext): void {
  needMachine(ctx, '/usr/sbin/fcgiwrap', '/usr/bin/python3', ...tools);
}

async function startOn(machine: InitMachine, command = initScriptsStart()): Promise<number[]> {
  const { status, stderr } = await machine.run(command);
  expect(status, stderr).toBe(0);
  return poolOn(machine);
}

describe('a pool of the page', () => {
  const expected: Record<string, (machine: InitMachine, pids: readonly number[]) => Promise<unknown>> = {
    'the pool, which stops': emptyMachine,
    async 'workers, which are replaced'(machine, [supervisor = 0, ...workers]) {
      const [same] = await poolOn(machine, workers);
      expect(same).toBe(supervisor);
    },
    async nobody(machine, pids) {
      expect(await poolOn(machine)).toEqual(pids);
    },
  };

  test.for(stopCommands())('$command reaches $reaches', async ({ command, reaches }, ctx) => {
    need(ctx);
    const machine = await startMachine();
    const pids = await startOn(machine);
    const { status } = await machine.run(command);
    expect(status).toBe(reaches === 'nobody' ? 1 : 0);
    const check = expected[reaches];
    if (!check) throw new Error(`the page says "${reaches}"`);
    await check(machine, pids);
  });
});

test.for(plainBlocks().map((block) => [block.trim().split('\n').at(-1) ?? '', block] as const))(
  'the recipe of the page that ends in %s starts and stops a pool',
  async ([, block], ctx) => {
    need(ctx);
    const machine = await startMachine({ files: { '/srv/app.py': pythonApp } });
    const [stop = '', ...start] = block.trim().split('\n').toReversed();
    const started = await machine.run(`set -e\n${start.toReversed().join('\n')}`);
    expect(started.status, started.stderr).toBe(0);
    expect(machine.processes()).not.toEqual([]);
    expect((await machine.run(stop)).status).toBe(0);
    await emptyMachine(machine);
  },
);

test('a pattern with an interpreter that nobody wrote reaches workers, which are replaced', async (ctx) => {
  need(ctx);
  const machine = await startMachine({ files: { '/srv/app.py': pythonApp } });
  const { status } = await machine.run('spawn-fcgi -s /run/app.sock -F 2 -- /srv/app.py');
  expect(status).toBe(0);
  const appPids = (): number[] => machine.pidsOf('app.py');
  const [supervisor, ...workers] = await waitFor('the pool', () => appPids().length === 3 && appPids());
  expect((await machine.run("pkill -f 'python3 /srv/app.py'")).status).toBe(0);
  await waitFor(
    'new workers',
    () => appPids().length === 3 && !appPids().some((pid) => workers.includes(pid)),
  );
  expect(appPids()[0]).toBe(supervisor);
});
