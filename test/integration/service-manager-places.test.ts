// A service manager that is heard from a chroot and by another user; and pools of units, taken over from inside the unit's
// cgroup and from elsewhere.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as fakes from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const quick = ['--settle', '50ms', '--min-uptime', '50ms'];
const user = ['-u', 'nobody', '-g', 'nogroup'];

test('a pool in a chroot, of another user, reaches a manager outside of it', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const root = join(place.dir, 'root');
  fs.mkdirSync(root);
  fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const own = ['--state-dir', place.stateDir, '--log', place.log, '-c', root, ...user, ...quick];
  const pool = await pools.startPool(['-s', '/app.sock', ...own, '--', '/app', 'serve'], {
    cwd: place.dir,
    env: { ...process.env, NOTIFY_SOCKET: manager.address },
  });
  expect((await manager.hears('READY=1', `MAINPID=${pool.pid}`)).pid).toBe(pool.pid);
  process.kill(pool.pid, 'SIGTERM');
  await manager.hears('STOPPING=1');
  await pools.expectNoProcess(place);
});

const cgroup2Magic = 0x63677270;

/** Cgroups named as systemd names those of units; gone when the test is. */
function makeUnit(ctx: TestContext): { unit: string; outside: string } {
  machine.needRoot(ctx);
  const hierarchy = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find(canHaveGroups);
  ctx.skip(hierarchy === undefined, 'needs a cgroup2 hierarchy in which groups can be made');
  const top = fs.mkdtempSync(join(hierarchy ?? '', 'spawn-fcgi-test-'));
  const groups = { unit: join(top, 'app.service'), outside: join(top, 'session-1.scope') };
  for (const directory of Object.values(groups)) fs.mkdirSync(directory);
  // A process that has ended leaves its cgroup a moment later.
  machine.atEnd(() =>
    machine
      .waitFor('the end of all in the cgroups', () => [...Object.values(groups), top].every(isRemoved))
      .then(() => undefined),
  );
  return groups;
}

function canHaveGroups(directory: string): boolean {
  try {
    if (fs.statfsSync(directory).type !== cgroup2Magic) return false;
    fs.rmdirSync(fs.mkdtempSync(join(directory, 'spawn-fcgi-test-')));
    return true;
  } catch {
    return false;
  }
}

function isRemoved(directory: string): boolean {
  try {
    if (fs.existsSync(directory)) fs.rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

/** Runs our command in a cgroup. */
function runIn(
  group: string,
  place: pools.Place,
  args: readonly string[],
  how: { env?: NodeJS.ProcessEnv; as?: readonly string[] } = {},
): Promise<machine.RunResult> {
  const { env = process.env, as = [] } = how;
  const script = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"';
  const words = ['-c', script, 'sh', group, ...as, pools.oursPath, ...args];
  return machine.runCommand('sh', words, { cwd: place.dir, env });
}

test("a pool of a unit that root takes over from elsewhere moves into the unit's cgroup", async (ctx) => {
  const { unit, outside } = makeUnit(ctx);
  const place = pools.makePlace();
  const manager = await fakes.startManager();
  const env = { ...process.env, NOTIFY_SOCKET: manager.address };
  const line = pools.commandLine(place, [...quick, ...user, '-P', place.pidFile]);
  expect(await runIn(unit, place, line, { env })).toMatchObject({ status: 0 });
  const old = Number(fs.readFileSync(place.pidFile, 'utf8'));
  expect(await runIn(outside, place, ['--replace', ...line])).toMatchObject({ status: 0, stderr: '' });
  const next = Number(fs.readFileSync(place.pidFile, 'utf8'));
  expect(next).not.toBe(old);
  await machine.waitFor('the word of the old supervisor', () =>
    manager.notices().some(({ pid, lines }) => pid === old && lines[0] === `MAINPID=${next}`),
  );
  const worker = await pools.onlyWorker({ pid: next });
  for (const pid of [next, worker])
    expect(fs.readFileSync(join(unit, 'cgroup.procs'), 'utf8')).toContain(`${pid}\n`);
  await pools.endPool(place, { pid: next });
});

test('where it may not move there it is refused, and the pool goes on', async (ctx) => {
  const { unit, outside } = makeUnit(ctx);
  machine.needCommands(ctx, 'setpriv');
  const place = pools.makePlace();
  fs.chmodSync(place.runDir, 0o777);
  const manager = await fakes.startManager();
  const as = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups'];
  const env = { ...process.env, NOTIFY_SOCKET: manager.address };
  const options = ['--state-dir', join(place.runDir, 'own'), ...quick, '-P', join(place.runDir, 'own.pid')];
  const line = ['-s', join(place.runDir, 'own.sock'), ...options, '--', place.app, 'serve'];
  expect(await runIn(unit, place, line, { env, as })).toMatchObject({ status: 0 });
  const pid = Number(fs.readFileSync(join(place.runDir, 'own.pid'), 'utf8'));
  const refused = await runIn(outside, place, ['--replace', ...line], { as });
  expect(refused.status).toBe(255);
  expect(pools.withoutHints(refused.stderr)).toBe(
    `spawn-fcgi: cannot take over the pool on ${join(place.runDir, 'own.sock')}: it belongs to app.service, and this command may not join its cgroup: Permission denied`,
  );
  expect(pools.hintsOf(refused.stderr).join('\n')).toContain('systemctl reload app.service');
  expect(machine.isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGTERM');
  await manager.hears('STOPPING=1');
  await pools.expectNoProcess(place);
});
