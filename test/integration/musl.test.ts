// On musl, with a Node and a koffi for it, and BusyBox as /bin/sh: Alpine but for its packages.
import { beforeAll, expect, test, type TestContext } from 'vitest';
import * as containers from '../helpers/container/index.ts';
import { waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

let missing: string | undefined;

/** Node's 60 MB come once. */
beforeAll(() => {
  const system = containers.findMuslSystem();
  missing = typeof system === 'string' ? undefined : system.missing;
}, 180_000);

function needMusl(ctx: TestContext): void {
  containers.needContainers(ctx);
  ctx.skip(missing !== undefined, missing);
}

const options = ['-M', '666', '-F', '2', '-u', 'www-data'];

test('a pool in the foreground: dropped, asked, reloaded, its worker replaced, a request finished in the stop', async (ctx) => {
  needMusl(ctx);
  const place = containers.makeEchoRoom();
  const line = ['-s', place.socket, '--state-dir', place.stateDir, ...options, '--', place.app];
  const args = ['spawn-fcgi', '-n', '--supervise', ...line];
  const pool = await containers.startPoolContainer(place, { tools: 'musl', args });
  const { container } = pool;
  const ctl = (...words: string[]) =>
    container.exec(['spawn-fcgictl', '--state-dir', place.stateDir, ...words]);
  expect(await ctl('status')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('2 idle') as string,
  });
  expect(await ctl('reload', place.socket)).toMatchObject({ status: 0 });
  await containers.replaceWorker(container);
  const held = await pool.hold();
  const stopped = containers.stopContainer(container);
  await waitFor('the stop', () => container.stderr().includes('stopping'));
  held.release();
  expect(await held.answer).toMatch(/^GET hold=/);
  expect(await stopped).toMatchObject({ status: 0, isKilled: false });
});

test('in the background: up, replaced, stopped, and its refusals in the words of the C library', async (ctx) => {
  needMusl(ctx);
  const place = containers.makeEchoRoom();
  const volumes = { [place.dir]: place.dir };
  const container = await containers.startContainer({ tools: 'musl', volumes, args: ['sleep', '1000'] });
  const start = (...words: string[]) =>
    container.exec([
      'spawn-fcgi',
      '-s',
      place.socket,
      '-P',
      place.pidFile,
      ...options,
      ...words,
      '--',
      place.app,
    ]);
  expect(pools.printedPids((await start()).stdout)).toHaveLength(1);
  expect(await start()).toMatchObject({ status: 255 });
  expect(pools.printedPids((await start('--replace')).stdout)).toHaveLength(1);
  expect(await container.exec(['spawn-fcgictl', 'stop', place.pidFile])).toMatchObject({ status: 0 });
  const refused = await container.exec(['spawn-fcgi', '-a', '192.0.2.1', '-p', '9000', '--', place.app]);
  expect(pools.withoutHints(refused.stderr)).toBe('spawn-fcgi: bind failed: Address not available');
  const exec = await container.exec([
    'spawn-fcgi',
    '-n',
    '-s',
    place.socket,
    '--',
    '/bin/sh',
    '-c',
    'exit 3',
  ]);
  expect(exec.status).toBe(3);
});
