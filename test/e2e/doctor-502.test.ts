// A real nginx answers 502, and `spawn-fcgictl doctor` names the reason; when that is put right as it says, nginx answers
// again and doctor is silent.
import { chmodSync, chownSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import * as sites from '../helpers/site/index.ts';
import { send } from '../helpers/web/index.ts';

interface WorkingSite extends sites.Site {
  stateDir: string;
  socket: string;
  /** For doctor: no other web server of this machine. */
  args: string[];
}

async function startWorking(ctx: TestContext): Promise<WorkingSite> {
  machine.needRoot(ctx);
  ctx.skip(sites.plainProgram.missing !== undefined, sites.plainProgram.missing);
  const site = await sites.startSite(sites.plainProgram, 'a Unix socket', { runDirOwner: 'root' });
  const socket = site.socketPath ?? '';
  const args = [socket, '--config', `${site.dir}/nginx/nginx.conf`];
  const working = { ...site, stateDir: `${site.dir}/state`, socket, args };
  await expectWorking(working);
  return working;
}

async function expectWorking(site: WorkingSite): Promise<void> {
  expect((await send(site.port, { query: '' })).status).toBe(200);
  await pools.expectHealthy(site, site.args);
}

test.for([
  ['web-server-directory', /cannot enter \S+ \(mode 0700/, ({ socket }) => closeDirectory(dirname(socket))],
  ['web-server-socket', /may not connect to \S+ \(mode 0\d+, root:root/, ({ socket }) => giveToRoot(socket)],
  ['socket-file', /its socket file is gone/, ({ socket }) => moveAway(socket)],
] as [string, RegExp, (site: WorkingSite) => () => void][])(
  '502 by %s',
  async ([check, says, spoil], ctx) => {
    const site = await startWorking(ctx);
    const putRight = spoil(site);
    expect((await send(site.port, { query: '' })).status).toBe(502);
    await pools.expectFinding(site, site.args, { check, says, fix: /./ });
    putRight();
    await expectWorking(site);
  },
);

function closeDirectory(path: string): () => void {
  chmodSync(path, 0o700);
  return () => chmodSync(path, 0o755);
}

function giveToRoot(path: string): () => void {
  const { uid, gid } = statSync(path);
  chownSync(path, 0, 0);
  return () => chownSync(path, uid, gid);
}

function moveAway(path: string): () => void {
  renameSync(path, `${path}.away`);
  return () => renameSync(`${path}.away`, path);
}

test('502 since the pool has ended', async (ctx) => {
  const site = await startWorking(ctx);
  await pools.ctl(site.stateDir, ['stop', site.socket]);
  expect((await send(site.port, { query: '' })).status).toBe(502);
  await pools.expectFinding(site, site.args, {
    check: 'nobody-listens',
    says: /nobody listens on the socket file \S+app\.sock, which somebody has left: connections are refused, which is a 502/,
    fix: /start the pool: spawn-fcgi -s /,
    evidence: /nginx\.conf:\d+ \(nginx, PID \d+\): server unix:/,
  });
  await site.startAgain();
  await expectWorking(site);
});
