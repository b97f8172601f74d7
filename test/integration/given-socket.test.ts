// A pool on a socket that somebody else has opened (systemd, inetd, supervisord): taken in every model, worked on as one
// of ours, and left as it was.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as pools from '../helpers/pool/index.ts';

function inodeOfDescriptor(pid: number, descriptor: number): string {
  return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1] ?? '';
}

test("one socket of LISTEN_FDS is the pool's, and stays when the pool has ended", async () => {
  const place = pools.makePlace();
  const keeper = await pools.keepSockets([`unix=${place.socket}`]);
  const inode = inodeOfDescriptor(keeper, 3);
  const before = statSync(place.socket);
  const pool = await pools.startGiven(place, [`from=${keeper}:3`, 'names=app.socket'], ['-F', '2']);
  const workers = await pools.fullPool(pool, 2);
  for (const worker of workers) {
    expect(inodeOfDescriptor(worker, 0)).toBe(inode);
    expect(readFileSync(`/proc/${worker}/environ`, 'utf8')).not.toContain('LISTEN_');
  }
  await pools.visit({ path: place.socket });
  expect(await pools.statusOf(place)).toMatchObject({
    address: place.socket,
    given: "'app.socket' (descriptor 3)",
    socketFile: 'ours',
    unreachable: null,
    queue: { backlog: 77 },
  });
  await pools.endPool(place, pool);
  const after = statSync(place.socket);
  expect([after.ino, after.mode, after.mtimeMs]).toEqual([before.ino, before.mode, before.mtimeMs]);
});
