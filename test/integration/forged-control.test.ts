// What another user has written into a state directory of his does not make root's spawn-fcgictl act on a pool that is
// not his.
import { chownSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, test, type TestContext } from 'vitest';
import { atEnd, isAlive, needRoot, NOBODY } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const commands = [['status'], ['ping'], ['reload'], ['restart'], ['scale', '2'], ['stop']] as const;

/** A pool of nobody's, and the path of its control socket. */
async function startAsNobody(
  ctx: TestContext,
): Promise<{ place: pools.Place; control: string; pid: number }> {
  needRoot(ctx);
  const place = pools.makePlace();
  mkdirSync(place.stateDir, { mode: 0o700 });
  for (const path of [place.dir, place.runDir, place.stateDir]) chownSync(path, NOBODY, NOBODY);
  const { pid } = await pools.start(place, [], undefined, { uid: NOBODY, gid: NOBODY });
  return { place, control: pools.poolFile(place, '.ctl'), pid };
}

async function askEverything(
  { stateDir, socket }: pools.Place,
  refused: { status: number; stderr: string },
): Promise<void> {
  for (const [command, ...more] of commands) {
    const result = await pools.ctl(stateDir, [command, socket, ...more]);
    expect(result).toMatchObject({ status: refused.status, stdout: '' });
    expect(result.stderr).toContain(refused.stderr);
    expect(result.stderr.match(/\n/g)).toHaveLength(1);
  }
}

test("a control name that leads to root's own pool is not followed", async (ctx) => {
  const { place, control, pid } = await startAsNobody(ctx);
  const own = pools.makePlace();
  const pool = await pools.start(own);
  const worker = await pools.onlyWorker(pool);
  rmSync(control);
  symlinkSync(pools.poolFile(own, '.ctl'), control);
  await askEverything(place, { status: 5, stderr: 'not permitted to use its control socket' });
  expect(isAlive(worker)).toBe(true);
  await pools.endPool(own, pool);
  await pools.expectNothingLeft(own);
  process.kill(pid, 'SIGTERM');
});

test('a control socket on which another process than the supervisor listens is refused by its PID', async (ctx) => {
  const { place, control, pid } = await startAsNobody(ctx);
  renameSync(control, `${control}.old`);
  const server = createServer((socket) => {
    // Whoever finds out who we are asks nothing, and is gone.
    socket.on('error', () => undefined);
    socket.end('{"v":1,"ok":true,"status":0,"message":"done"}\n');
  });
  server.listen(control);
  await once(server, 'listening');
  atEnd(() => void server.close());
  chownSync(control, NOBODY, NOBODY);
  const stderr = `PID ${process.pid} listens on its control socket, and not its supervisor`;
  await askEverything(place, { status: 5, stderr });
  renameSync(`${control}.old`, control);
  expect(await pools.ctl(place.stateDir, ['ping', place.socket])).toMatchObject({ status: 0 });
  process.kill(pid, 'SIGTERM');
});

test('a supervisor that took the pool over is known by its own PID', async (ctx) => {
  const { place } = await startAsNobody(ctx);
  await pools.start(place, ['--replace'], undefined, { uid: NOBODY, gid: NOBODY });
  expect(await pools.ctl(place.stateDir, ['ping', place.socket])).toMatchObject({ status: 0 });
  expect(await pools.ctl(place.stateDir, ['stop', place.socket])).toMatchObject({
    status: 0,
    stdout: 'stopped\n',
  });
});
