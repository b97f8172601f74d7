// The page of the status socket where the supervisor can reach no file, and what it costs before somebody asks.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as web from '../helpers/web/index.ts';

const isPage = ({ target }: { target: string }): boolean => target.endsWith('/dist/status-page.html');

test('it is read when it is asked for, and not before', async () => {
  const place = pools.makePlace();
  const status = join(place.runDir, 'app.status');
  const pool = await pools.start(place, ['--status-socket', status]);
  await web.askFacts({ socketPath: status });
  expect(machine.readOpenFiles(pool.pid).filter(isPage)).toHaveLength(1);
  for (let index = 0; index < 2; index++)
    expect(await web.askStatus({ socketPath: status }, 'html')).toMatch(/<tr><th>pool<\/th>[^]+<script>/);
  expect(machine.readOpenFiles(pool.pid).filter(isPage)).toEqual([]);
  await pools.endPool(place, pool);
});

test('without --status-socket nobody has it', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  expect(machine.readOpenFiles(pool.pid).filter(isPage)).toEqual([]);
  await pools.endPool(place, pool);
});

test('it is there in a chroot, for a user without rights, and so are paths and events', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  mkdirSync(root);
  copyFileSync(compileC(fixture('plain-echo.c'), { static: true }), join(root, 'app'));
  const status = join(place.runDir, 'app.status');
  const own = ['--state-dir', place.stateDir, '--status-socket', status, '-u', 'nobody', '-c', root];
  const pool = await pools.startPool(['-s', place.socket, '-S', ...own, '--', '/app'], { cwd: place.dir });
  expect(await web.askStatus({ socketPath: status }, 'html')).toContain('<script>');
  const data = JSON.parse(await web.askStatus({ socketPath: status }, 'html&data')) as object;
  expect(data).toMatchObject({
    inside: { release: '/app', events: [{}] },
    looks: [[expect.any(Number), 0, 0, 1]],
  });
  await pool.stop();
});

test('on TCP, where everybody may ask, the same has neither', async () => {
  const place = pools.makePlace();
  const port = await machine.freePort();
  const pool = await pools.start(place, ['--status-socket', `[::1]:${port}`]);
  const data = await web.askStatus({ host: '::1', port }, 'html&data');
  expect(JSON.parse(data)).toMatchObject({ name: 'app', inside: null });
  expect(data).not.toContain(place.app);
  await pools.endPool(place, pool);
});
