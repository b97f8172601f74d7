// What the status socket counts never falls under one supervisor, whatever becomes of who it was counted of.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askStatus } from '../helpers/web/index.ts';

const SIGCHLD = 17;

test('processor time stays when a child ends whom its worker does not wait for', async () => {
  const place = pools.makePlace();
  const status = join(place.runDir, 'app.status');
  const pool = await pools.start(
    place,
    ['--status-socket', status],
    // The child writes into /dev/null without a pause.
    [`ignore=${SIGCHLD}`, 'chat=0', 'record'],
  );
  const [worker = 0] = await pools.fullPool(pool);
  const look = async (): Promise<{ seconds: number; bytes: number }> => {
    const text = await askStatus({ socketPath: status }, 'openmetrics');
    const read = (name: string): number =>
      Number(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'm').exec(text)?.[1]);
    return {
      seconds: read('spawn_fcgi_cpu_seconds_total'),
      bytes: read('spawn_fcgi_workers_resident_bytes'),
    };
  };
  const before = await machine.waitFor('some processor time', async () => {
    const seen = await look();
    return seen.seconds >= 0.1 && seen;
  });
  const [child = 0] = machine.childrenOf(worker);
  process.kill(child, 'SIGKILL');
  const after = await machine.waitFor('a look without its memory', async () => {
    const seen = await look();
    return seen.bytes < before.bytes && seen;
  });
  expect(after.seconds).toBeGreaterThanOrEqual(before.seconds);
  await pool.stop();
});
