// Root's spawn-fcgictl and the pools of other users: where it finds them, and what it does not believe of their files. All of
// it in a mount namespace with a /tmp and a /run/user of its own.
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { findPoolState } from '../../src/core/pool-state.ts';
import * as machine from '../helpers/machine/index.ts';
import { oursPath, ctlPath, killSupervisor, makePlace, type Place } from '../helpers/pool/index.ts';

/** www-data of Debian; it needs no entry. */
const user = 33;

/** A view of the file system: commands run in it as root or as the user; its files are reached from outside. */
interface View {
  readonly place: Place;
  readonly root: string;
  as(uid: number, command: readonly string[], env?: Record<string, string>): Promise<machine.RunResult>;
  /** spawn-fcgictl of root, inside. */
  ctl(...args: readonly string[]): Promise<machine.RunResult>;
  /** Starts a pool of the user's, with its socket and PID file in the place's directory for that. */
  start(options?: readonly string[], env?: Record<string, string>): Promise<{ pid: number }>;
}

async function makeView(ctx: TestContext): Promise<View> {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', 'nsenter', 'setpriv', 'mount');
  const place = makePlace();
  for (const path of [place.dir, place.runDir, place.report]) fs.chownSync(path, user, user);
  fs.chmodSync(place.dir, 0o755);
  // The place lies in /tmp, and a checkout may: both are carried into the new one.
  const checkout = join(dirname(oursPath), '..');
  const script = `
set -e
mount --make-rprivate /
mount --rbind /tmp /mnt
mount -t tmpfs -o mode=1777 tmpfs /tmp
for dir in "$@"; do
  case $dir in /tmp/*) mkdir -p "$dir" && mount --bind "/mnt/\${dir#/tmp/}" "$dir" ;; esac
done
umount -l /mnt
mkdir -p /run/user && mount -t tmpfs tmpfs /run/user
mkdir -p /run/spawn-fcgi && mount -t tmpfs -o mode=755 tmpfs /run/spawn-fcgi
touch "$1/ready"
exec sleep 600`;
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', place.dir, checkout], {
    stdio: 'ignore',
  });
  const holder = child.pid ?? 0;
  machine.atEnd(() => machine.stopProcess(holder));
  await machine.waitFor('the view', () => fs.existsSync(join(place.dir, 'ready')) || child.exitCode !== null);
  ctx.skip(child.exitCode !== null, 'needs the right to mount');
  const as: View['as'] = (uid, command, env = {}) => {
    const own = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--'];
    const enter = ['--target', String(holder), '--mount', '--wd=/', '--', 'setpriv', ...own, ...command];
    return machine.runCommand('nsenter', enter, { env: { PATH: process.env['PATH'], ...env } });
  };
  return {
    place,
    root: `/proc/${holder}/root`,
    as,
    ctl: (...args) => as(0, [ctlPath, ...args]),
    async start(options = [], env) {
      const command = [
        oursPath,
        '-s',
        place.socket,
        '-P',
        place.pidFile,
        ...options,
        '--',
        place.app,
        'serve',
      ];
      const started = await as(user, command, env);
      expect(started).toMatchObject({ status: 0 });
      return { pid: Number(/PID: (\d+)/.exec(started.stdout)?.[1]) };
    },
  };
}

describe("root finds another user's pool", () => {
  test.for<[string, string[], Record<string, string>]>([
    ['/tmp/spawn-fcgi-UID', [], {}],
    ['/run/user/UID/spawn-fcgi', [], { XDG_RUNTIME_DIR: `/run/user/${user}` }],
    ['the directory of --state-dir', ['--state-dir'], {}],
  ])('with its files in %s', async ([_where, options, env], ctx) => {
    const view = await makeView(ctx);
    fs.mkdirSync(`${view.root}/run/user/${user}`, { mode: 0o700 });
    fs.chownSync(`${view.root}/run/user/${user}`, user, user);
    const { place } = view;
    const { pid } = await view.start(options.length > 0 ? ['--state-dir', place.stateDir] : [], env);
    // Without a target root is shown all pools of the machine, which has others, too.
    expect((await view.ctl('status')).stdout).toContain(`PID ${pid}, serving`);
    for (const target of [place.socket, place.pidFile, String(pid)])
      expect({ target, ...(await view.ctl('ping', target)) }).toMatchObject({
        target,
        status: 0,
        stderr: '',
      });
    expect(await view.ctl('scale', place.socket, '2')).toMatchObject({ status: 0, stdout: '2 workers\n' });
    expect(await view.ctl('stop', place.pidFile)).toMatchObject({ status: 0, stdout: 'stopped\n' });
    expect(fs.readdirSync(place.runDir)).toEqual([]);
  });

  test('in a view of its own, as a unit with PrivateTmp has it', async (ctx) => {
    const view = await makeView(ctx);
    const { pid } = await view.start();
    // From outside neither its base directory nor its socket can be seen.
    const outside = (...args: string[]): Promise<machine.RunResult> => machine.runCommand(ctlPath, args);
    expect(fs.existsSync(`/tmp/spawn-fcgi-${user}/${pid}`)).toBe(false);
    expect((await outside('status')).stdout).toContain(`PID ${pid}, serving`);
    expect((await outside('ping', '--strict', String(pid))).stdout).toContain(`PID ${pid}, 1 idle`);
    expect(await outside('reload', '--timeout', '20s', String(pid))).toMatchObject({ status: 0 });
    expect(await outside('stop', String(pid))).toMatchObject({ status: 0, stdout: 'stopped\n' });
  });

  test('whose supervisor was killed, and ends it as the user', async (ctx) => {
    const view = await makeView(ctx);
    const { place } = view;
    const pool = await view.start();
    await killSupervisor(pool);
    expect((await view.ctl('status')).stdout).toContain(
      `dead, supervisor PID ${pool.pid} was killed, 1 worker `,
    );
    expect(await view.ctl('stop', place.socket)).toMatchObject({
      status: 0,
      stdout: 'stopped: ended 1 worker of a supervisor that was killed\n',
      stderr: '',
    });
    expect(fs.readdirSync(place.runDir)).toEqual([]);
    expect(fs.readdirSync(`${view.root}/tmp/spawn-fcgi-${user}`)).toEqual([]);
  });
});

describe("another user's files do not lead root to somebody else's pool:", () => {
  /** A pool of root's whose processes run as that very user, on a socket of its own. */
  async function makeBoth(ctx: TestContext) {
    const view = await makeView(ctx);
    const { place } = view;
    const socket = join(place.runDir, 'root.sock');
    const pidFile = join('/run/spawn-fcgi', 'root.pid');
    const command = [oursPath, '-s', socket, '-P', pidFile, '-u', String(user), '-g', String(user), '--'];
    const started = await view.as(0, [...command, place.app, 'serve']);
    expect(started).toMatchObject({ status: 0 });
    const pid = Number(/PID: (\d+)/.exec(started.stdout)?.[1]);
    const base = `${view.root}/tmp/spawn-fcgi-${user}`;
    fs.mkdirSync(base, { mode: 0o700 });
    fs.chownSync(base, user, user);
    /** The user's state file for an address, with what root's says changed so. */
    const forge = (id: string, changes: object): void => {
      const name =
        fs.readdirSync(`${view.root}/run/spawn-fcgi`).find((file) => file.endsWith('.state')) ?? '';
      const text = fs.readFileSync(`${view.root}/run/spawn-fcgi/${name}`, 'utf8');
      const path = join(base, `${id}.state`);
      fs.writeFileSync(path, JSON.stringify({ ...findPoolState(text)?.state, ...changes }), { mode: 0o600 });
      fs.chownSync(path, user, user);
    };
    const expectUntouched = async (): Promise<void> => {
      expect(machine.isAlive(pid)).toBe(true);
      expect((await view.ctl('ping', socket)).stdout).toContain(
        `serving: app on ${socket}, PID ${pid}, 1 idle`,
      );
    };
    return { view, place, socket, pidFile, pid, base, forge, expectUntouched };
  }

  test('a state that names its supervisor, with a link to its control socket', async (ctx) => {
    const { view, pid, base, forge, expectUntouched } = await makeBoth(ctx);
    const control = fs.readdirSync(`${view.root}/run/spawn-fcgi`).find((file) => file.endsWith('.ctl')) ?? '';
    fs.symlinkSync(`/run/spawn-fcgi/${control}`, join(base, 'x.ctl'));
    fs.lchownSync(join(base, 'x.ctl'), user, user);
    forge('x', { address: '/tmp/x.sock', control: 'x.ctl' });
    expect(await view.ctl('stop', '/tmp/x.sock')).toMatchObject({ status: 4 });
    const { stdout } = await view.ctl('status');
    expect(stdout.split('\n').filter((line) => line.includes(`PID ${pid}, serving`))).toHaveLength(1);
    expect(stdout).not.toContain('/tmp/x.sock');
    await expectUntouched();
  });

  test('a state of a dead supervisor that names its workers', async (ctx) => {
    const { view, socket, forge, expectUntouched } = await makeBoth(ctx);
    forge('x', { address: socket, pid: 4_000_000, startTime: '1', control: undefined });
    forge('y', { address: '/tmp/y.sock', pid: 4_000_001, startTime: '1', control: undefined });
    expect(await view.ctl('stop', '/tmp/y.sock')).toMatchObject({ status: 4 });
    expect(await view.ctl('stop', '4000000')).toMatchObject({ status: 4 });
    await expectUntouched();
  });

  test("root's orphans, which only root's own state may name", async (ctx) => {
    const { view, place, socket, pid, forge } = await makeBoth(ctx);
    const worker =
      machine.childrenOf(pid).find((child) => machine.readProcess(child)?.exe === place.app) ?? 0;
    process.kill(pid, 'SIGKILL');
    await machine.waitFor('its end', () => !machine.isAlive(pid));
    const startTime = String(machine.readStat(worker)?.startTime);
    forge('x', { address: '/tmp/x.sock', workers: [{ slot: 0, pid: worker, startTime }] });
    expect(await view.ctl('stop', '/tmp/x.sock')).toMatchObject({ status: 4 });
    expect(machine.isAlive(worker)).toBe(true);
    expect(await view.ctl('stop', socket)).toMatchObject({ status: 0 });
    expect(machine.isAlive(worker)).toBe(false);
  });

  test('a PID file with its PID, and a link to its PID file', async (ctx) => {
    const { view, place, pid, pidFile, expectUntouched } = await makeBoth(ctx);
    const own = join(place.runDir, 'mine.pid');
    fs.writeFileSync(own, String(pid));
    fs.chownSync(own, user, user);
    const link = join(place.runDir, 'link.pid');
    fs.symlinkSync(pidFile, link);
    fs.lchownSync(link, user, user);
    for (const target of [own, link]) {
      const refused = await view.ctl('stop', target);
      expect(refused).toMatchObject({ status: 5, stdout: '' });
      expect(refused.stderr).toMatch(
        /^spawn-fcgictl: not permitted: [^\n]+ is uid 33's, and names pool 'app'/,
      );
    }
    await expectUntouched();
    expect((await view.ctl('ping', pidFile)).status).toBe(0);
  });

  test('a PID file of root that he could have moved to where his is', async (ctx) => {
    const { view, place, pid, pidFile, expectUntouched } = await makeBoth(ctx);
    const moved = join(place.runDir, 'moved.pid');
    fs.writeFileSync(moved, String(pid));
    const open = join(place.dir, 'open');
    fs.mkdirSync(open);
    fs.chmodSync(open, 0o777);
    const exchanged = join(open, 'any.pid');
    fs.writeFileSync(exchanged, String(pid));
    for (const target of [moved, exchanged])
      expect(await view.ctl('stop', target)).toMatchObject({ status: 5, stdout: '' });
    await expectUntouched();
    expect((await view.ctl('ping', pidFile)).status).toBe(0);
  });

  test('but a pool is named by the path that it says is its own, in a directory of that user', async (ctx) => {
    const { view, place } = await makeBoth(ctx);
    const socket = join(place.runDir, 'roots.sock');
    const pidFile = join(place.runDir, 'roots.pid');
    const command = [oursPath, '-s', socket, '-P', pidFile, '--', place.app, 'serve'];
    expect(await view.as(0, command)).toMatchObject({ status: 0 });
    expect(await view.ctl('ping', pidFile)).toMatchObject({ status: 0 });
    expect(await view.ctl('stop', socket)).toMatchObject({ status: 0, stdout: 'stopped\n' });
  });

  test('a base directory that is a link, or that others may write', async (ctx) => {
    const { view, base, forge, expectUntouched } = await makeBoth(ctx);
    forge('x', { address: '/tmp/x.sock' });
    fs.renameSync(base, `${base}.real`);
    fs.symlinkSync(`spawn-fcgi-${user}.real`, base);
    expect(await view.ctl('stop', '/tmp/x.sock')).toMatchObject({ status: 4 });
    await expectUntouched();
  });

  test('names with control characters are printed as text', async (ctx) => {
    const view = await makeView(ctx);
    const name = 'a\x1b[31m';
    const app = join(view.place.dir, name);
    fs.copyFileSync(view.place.app, app);
    const socket = join(view.place.runDir, 's');
    expect(await view.as(user, [oursPath, '-s', socket, '--', app, 'serve'])).toMatchObject({ status: 0 });
    const listed = await view.ctl('status');
    expect(listed.stdout).toContain(String.raw`a\x1b[31m on `);
    expect(listed.stdout).not.toContain('\x1b');
    expect(await view.ctl('stop', socket)).toMatchObject({ status: 0 });
  });
});
