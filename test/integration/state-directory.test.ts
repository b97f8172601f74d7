// Where lock and state live, who may touch them, and what happens when the directory cannot be used.
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** What can be in the place of a base directory, and a word of the reason. */
const unusable: readonly (readonly [string, (path: string, place: pools.Place) => void, RegExp])[] = [
  ['a file', (path) => fs.writeFileSync(path, 'precious'), /ENOTDIR|not a directory/i],
  [
    'a symbolic link to a directory',
    (path, { runDir }) => fs.symlinkSync(runDir, path),
    /ENOTDIR|ELOOP|link|not a directory/i,
  ],
  ['a directory that everybody can write', (path) => makeDirectory(path, 0o777), /writable by others/],
  ['a directory that a group can write', (path) => makeDirectory(path, 0o770), /writable by others/],
];

function makeDirectory(path: string, mode: number, owner?: number): void {
  fs.mkdirSync(path);
  fs.chmodSync(path, mode);
  if (owner !== undefined) fs.chownSync(path, owner, owner);
}

describe('--state-dir', () => {
  // A link of ours is followed: the user named it (same-path.test.ts).
  const refused = unusable.filter(([what]) => !what.includes('link'));

  test.for(refused)('with %s is refused, and nothing is made in it', async ([, make, reason]) => {
    const place = pools.makePlace();
    make(place.stateDir, place);
    const result = await pools.run(place, ['-P', place.pidFile]);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toMatch(/^spawn-fcgi: --state-dir cannot be used: /);
    expect(result.stderr).toMatch(reason);
    await pools.expectNoProcess(place);
    expect(fs.readdirSync(place.runDir)).toEqual([]);
    if (fs.lstatSync(place.stateDir).isDirectory()) expect(fs.readdirSync(place.stateDir)).toEqual([]);
  });

  test('of another user is refused', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    makeDirectory(place.stateDir, 0o700, machine.NOBODY);
    const result = await pools.run(place);
    expect(result.status).toBe(255);
    expect(result.stderr).toContain(`belongs to uid ${machine.NOBODY}`);
    expect(fs.readdirSync(place.stateDir)).toEqual([]);
  });

  test('that is missing is made, for its owner to write', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    const { mode, uid } = fs.statSync(place.stateDir);
    expect(mode & 0o022).toBe(0);
    expect(uid).toBe(process.getuid?.());
  });

  test('in a directory that is missing, too, is refused, and none is made', async () => {
    const place = pools.makePlace();
    const above = join(place.dir, 'missing');
    const result = await pools.run({ ...place, stateDir: join(above, 'state') });
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(pools.hintsOf(result.stderr)).toEqual([
      `the directory '${above}' does not exist: create it first`,
    ]);
    expect(fs.existsSync(above)).toBe(false);
  });

  test('that is made is told of on a terminal, once', async (ctx) => {
    machine.needCommands(ctx, 'script');
    const place = pools.makePlace();
    const line = [pools.oursPath, ...pools.commandLine(place, [])].map((word) => `'${word}'`).join(' ');
    const startOnTerminal = async (): Promise<string> => {
      const result = await machine.runCommand('script', ['-qec', line, '/dev/null'], { cwd: place.dir });
      await pools.endPool(place, { pid: pools.printedPids(result.stdout.replaceAll('\r', ''))[0] ?? 0 });
      return result.stdout;
    };
    expect(await startOnTerminal()).toContain(`--state-dir '${place.stateDir}' was not there and is made`);
    expect(await startOnTerminal()).not.toContain('--state-dir');
  });

  test('with a symbolic link as the lock is refused, and the target stays', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const names = fs.readdirSync(place.stateDir);
    await pools.endPool(place, pool);
    const target = join(place.dir, 'precious');
    fs.writeFileSync(target, 'precious');
    for (const name of names) fs.symlinkSync(target, join(place.stateDir, name));
    expect((await pools.run(place)).status).toBe(255);
    expect(fs.readFileSync(target, 'utf8')).toBe('precious');
  });

  test('with a broken state file of an earlier pool is no obstacle', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const names = fs.readdirSync(place.stateDir);
    await pools.endPool(place, pool);
    for (const name of names)
      fs.writeFileSync(join(place.stateDir, name), '{"version":1,"pid":"x', { mode: 0o600 });
    const next = await pools.start(place);
    expect(machine.isAlive(next.pid)).toBe(true);
  });
});

describe("root's directory", () => {
  test('is /run/spawn-fcgi, made with mode 0755 and left empty at the end', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const slashRun = join(place.dir, 'slash-run');
    fs.mkdirSync(slashRun);
    const result = await startWithRun(place, slashRun);
    expect(result.status).toBe(0);
    expect(fs.statSync(join(slashRun, 'spawn-fcgi')).mode & 0o777).toBe(0o755);
    expect(fs.readdirSync(join(slashRun, 'spawn-fcgi'))).toHaveLength(3);
    await pools.endPool(place, { pid: pools.printedPids(result.stdout)[0] ?? 0 });
    expect(fs.readdirSync(join(slashRun, 'spawn-fcgi'))).toEqual([]);
  });

  test.for(unusable)(
    'if it is %s, is not used: the pool runs, and a hint says so',
    async ([, make, reason], ctx) => {
      machine.needRoot(ctx);
      const place = pools.makePlace();
      const slashRun = join(place.dir, 'slash-run');
      fs.mkdirSync(slashRun);
      make(join(slashRun, 'spawn-fcgi'), place);
      const result = await startWithRun(place, slashRun);
      expect(result.status).toBe(0);
      expect(pools.hintsOf(result.stderr).join('\n')).toMatch(reason);
      const pid = pools.printedPids(result.stdout)[0] ?? 0;
      await pools.onlyWorker({ pid });
      expect(fs.readdirSync(place.runDir)).toEqual(['app.sock']);
      await pools.endPool(place, { pid });
    },
  );

  test('of another user is not used', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const slashRun = join(place.dir, 'slash-run');
    fs.mkdirSync(slashRun);
    makeDirectory(join(slashRun, 'spawn-fcgi'), 0o755, machine.NOBODY);
    const result = await startWithRun(place, slashRun);
    expect(result.status).toBe(0);
    expect(pools.hintsOf(result.stderr).join('\n')).toContain(`belongs to uid ${machine.NOBODY}`);
    expect(fs.readdirSync(join(slashRun, 'spawn-fcgi'))).toEqual([]);
  });

  test('on a read-only file system is not used, and a second start is refused all the same', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = pools.makePlace();
    const script = 'mount -t tmpfs -o ro tmpfs /run && "$@"; first=$?; "$@"; exit $first$?';
    const args = ['--mount', '/bin/sh', '-c', script, 'sh', pools.oursPath, ...withoutStateDir(place)];
    const result = await machine.runCommand('unshare', args, { cwd: place.dir, timeoutMs: 8_000 });
    expect(result.status).toBe(255);
    expect(pools.printedPids(result.stdout)).toHaveLength(1);
    expect(pools.hintsOf(result.stderr)[0]).toBe(
      'no lock and no state file for this pool: /run/spawn-fcgi: Read-only file system; --state-dir names another directory',
    );
    expect(result.stderr).toContain("spawn-fcgi: socket is already in use, can't spawn");
    await pools.visit({ path: place.socket });
  });

  function startWithRun(place: pools.Place, slashRun: string): Promise<machine.RunResult> {
    const args = [`bind=${slashRun}:/run`, '--', pools.oursPath, ...withoutStateDir(place)];
    return machine.runCommand(compileC(fixture('caller.c')), args, { cwd: place.dir, timeoutMs: 8_000 });
  }
});

describe("a user's directory", () => {
  const user = machine.isRoot ? { uid: machine.NOBODY, gid: machine.NOBODY } : {};
  const envOf = (place: pools.Place) => ({
    PATH: '/usr/bin:/bin',
    XDG_RUNTIME_DIR: join(place.dir, 'runtime'),
  });

  function makeUserPlace(): { place: pools.Place; base: string } {
    const place = pools.makePlace();
    const runtime = join(place.dir, 'runtime');
    fs.mkdirSync(runtime, { mode: 0o700 });
    if (machine.isRoot)
      for (const path of [runtime, place.dir, place.runDir])
        fs.chownSync(path, machine.NOBODY, machine.NOBODY);
    return { place, base: join(runtime, 'spawn-fcgi') };
  }

  function startAsUser(place: pools.Place): Promise<machine.RunResult> {
    return machine.runCommand(pools.oursPath, withoutStateDir(place), {
      cwd: place.dir,
      env: envOf(place),
      ...user,
      timeoutMs: 8_000,
    });
  }

  test('is in XDG_RUNTIME_DIR, with mode 0700 and its owner', async () => {
    const { place, base } = makeUserPlace();
    const result = await startAsUser(place);
    expect(result.status).toBe(0);
    expect(fs.statSync(base)).toMatchObject({ uid: user.uid ?? process.getuid?.(), mode: 0o40700 });
    expect(fs.readdirSync(base)).toHaveLength(3);
    const second = await startAsUser(place);
    expect(second.status).toBe(255);
    expect(pools.hintsOf(second.stderr).join('\n')).toContain(String(pools.printedPids(result.stdout)[0]));
  });

  test.for([
    ['is RUNTIME_DIRECTORY, the first of them, where there is no XDG_RUNTIME_DIR', undefined, true],
    ['is not RUNTIME_DIRECTORY where there is an XDG_RUNTIME_DIR', 'runtime', false],
  ] as const)('%s', async ([, ofUser, isUnit]) => {
    const { place } = makeUserPlace();
    const unit = join(place.dir, 'unit');
    makeDirectory(unit, 0o755, user.uid);
    // As systemd makes it for a DynamicUser whose directory outlives the service.
    fs.symlinkSync(unit, join(place.dir, 'link'));
    const runtime = ofUser === undefined ? {} : { XDG_RUNTIME_DIR: join(place.dir, ofUser) };
    const directories = `${join(place.dir, 'link')}:${place.runDir}`;
    const how = {
      cwd: place.dir,
      env: { PATH: process.env['PATH'], RUNTIME_DIRECTORY: directories, ...runtime },
      ...user,
      timeoutMs: 8_000,
    };
    const result = await machine.runCommand(pools.oursPath, withoutStateDir(place), how);
    expect(result.status).toBe(0);
    expect(fs.readdirSync(unit)).toHaveLength(isUnit ? 3 : 0);
    const pid = pools.printedPids(result.stdout)[0] ?? 0;
    const ping = await machine.runCommand(
      join(dirname(pools.oursPath), 'spawn-fcgictl'),
      ['ping', String(pid)],
      how,
    );
    expect(ping).toMatchObject({ status: 0 });
    await pools.endPool(place, { pid });
    expect(fs.readdirSync(unit)).toEqual([]);
  });

  test('is RUNTIME_DIRECTORY for root, too, where /run is read-only', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = pools.makePlace();
    const unit = join(place.dir, 'unit');
    makeDirectory(unit, 0o755, undefined);
    const script = 'mount --bind /run /run; mount -o remount,ro,bind /run; exec "$@"';
    const args = ['--mount', 'sh', '-c', script, 'sh', pools.oursPath, ...withoutStateDir(place)];
    const env = { ...process.env, RUNTIME_DIRECTORY: unit };
    const result = await machine.runCommand('unshare', args, { cwd: place.dir, env });
    expect({ status: result.status, hints: pools.hintsOf(result.stderr) }).toEqual({ status: 0, hints: [] });
    expect(fs.readdirSync(unit)).toHaveLength(3);
    await pools.endPool(place, { pid: pools.printedPids(result.stdout)[0] ?? 0 });
    expect(fs.readdirSync(unit)).toEqual([]);
  });

  test('is not looked for below a relative XDG_RUNTIME_DIR', async () => {
    const { place } = makeUserPlace();
    const fallback = `/tmp/spawn-fcgi-${user.uid ?? process.getuid?.()}`;
    if (!fs.existsSync(fallback)) machine.atEnd(() => fs.rmdirSync(fallback));
    const relative = { ...envOf(place), XDG_RUNTIME_DIR: 'runtime' };
    const result = await machine.runCommand(pools.oursPath, withoutStateDir(place), {
      cwd: place.dir,
      env: relative,
      ...user,
      timeoutMs: 8_000,
    });
    expect(result.status).toBe(0);
    expect(fs.readdirSync(join(place.dir, 'runtime'))).toEqual([]);
    await pools.endPool(place, { pid: pools.printedPids(result.stdout)[0] ?? 0 });
  });

  test('in /tmp has the uid in its name, and somebody else cannot take its place', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const tmp = join(place.dir, 'tmp');
    makeDirectory(tmp, 0o1777);
    makeDirectory(join(tmp, `spawn-fcgi-${machine.NOBODY}`), 0o777, 33);
    fs.copyFileSync(place.app, join(tmp, 'app'));
    // The checkout may lie below /tmp, which is hidden then: it gets another place first.
    const checkout = dirname(dirname(pools.oursPath));
    const settings = [
      `bind=${checkout}:/mnt`,
      `bind=${tmp}:/tmp`,
      `user=${machine.NOBODY}:${machine.NOBODY}`,
    ];
    const script = 'cd /tmp && exec "$@"';
    const options = ['-s', '/tmp/app.sock', '--log', '/tmp/log', '--', '/tmp/app', 'serve', place.dir];
    const result = await machine.runCommand(
      compileC(fixture('caller.c')),
      [...settings, '--', '/bin/sh', '-c', script, 'sh', '/mnt/bin/spawn-fcgi', ...options],
      { cwd: '/', env: { PATH: '/usr/bin:/bin' }, timeoutMs: 8_000 },
    );
    expect(result.status).toBe(0);
    expect(pools.hintsOf(result.stderr).join('\n')).toContain('belongs to uid 33');
    expect(fs.readdirSync(join(tmp, `spawn-fcgi-${machine.NOBODY}`))).toEqual([]);
  });
});

describe('with -u, lock, state and supervisor', () => {
  const asWorker = { uid: machine.NOBODY, gid: machine.NOBODY };

  test('belong to the starter, with mode 0600, and the worker can neither write nor remove them', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const files = fs.readdirSync(place.stateDir).map((name) => join(place.stateDir, name));
    expect(new Set(files.map((path) => path.split('.').at(-1)))).toEqual(new Set(['ctl', 'lock', 'state']));
    for (const path of files) {
      const type = path.endsWith('.ctl') ? 0o140000 : 0o100000;
      expect(fs.statSync(path)).toMatchObject({ uid: 0, gid: 0, mode: type | 0o600 });
      for (const attempt of [
        `: >>'${path}'`,
        `: <'${path}'`,
        `rm -f '${path}'`,
        `mv '${path}' '${path}.x'`,
      ]) {
        expect((await machine.runCommand('/bin/sh', ['-c', attempt], asWorker)).status).not.toBe(0);
      }
    }
    const lock = files.find((path) => path.endsWith('.lock')) ?? '';
    expect((await machine.runCommand('flock', ['--nonblock', lock, 'true'], asWorker)).status).not.toBe(0);
  });

  test('are out of reach by /proc and ptrace, for all descriptors that the supervisor holds', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const { pid } = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup', '-P', place.pidFile]);
    await expectOutOfReach(pid, asWorker);
  });

  test('of a pool that the same user started are out of reach, too', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    fs.mkdirSync(place.stateDir, { mode: 0o700 });
    for (const path of [place.dir, place.runDir, place.stateDir])
      fs.chownSync(path, machine.NOBODY, machine.NOBODY);
    const { pid } = await pools.start(place, ['-P', place.pidFile], ['serve'], asWorker);
    await expectOutOfReach(pid, asWorker);
  });

  async function expectOutOfReach(pid: number, user: { uid: number; gid: number }): Promise<void> {
    const attempts = [
      `ls /proc/${pid}/fd/`,
      `cat /proc/${pid}/environ`,
      `: >>/proc/${pid}/mem`,
      `head -c 1 /proc/${pid}/mem`,
      `readlink /proc/${pid}/cwd`,
      `cat /proc/${pid}/maps | grep .`,
      `cat /proc/${pid}/syscall`,
    ];
    for (const attempt of attempts) {
      const result = await machine.runCommand('/bin/sh', ['-c', attempt], user);
      expect({ attempt, status: result.status === 0, stdout: result.stdout }).toEqual({
        attempt,
        status: false,
        stdout: '',
      });
    }
  }

  test('cannot be reached by strace as the worker', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'strace');
    const place = pools.makePlace();
    const { pid } = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const result = await machine.runCommand('strace', ['-qq', '-p', String(pid)], {
      ...asWorker,
      timeoutMs: 3_000,
    });
    expect(result.timedOut).toBe(false);
    expect(result.stderr).toMatch(/Operation not permitted/);
    expect(fs.existsSync(`/proc/${pid}`)).toBe(true);
  });
});

/** The command line of a pool that uses the default directory. */
function withoutStateDir(place: pools.Place): string[] {
  const args = pools.commandLine(place, []);
  const at = args.indexOf('--state-dir');
  return [...args.slice(0, at), ...args.slice(at + 2)];
}

test('a pool with -S is named by its socket outside the chroot', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  makeDirectory(root, 0o755);
  fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const args = ['-s', place.socket, '--state-dir', place.stateDir, '--log', place.log];
  const pool = await pools.startPool([...args, '-c', root, '-S', '--', '/app', 'serve'], { cwd: place.dir });
  const second = await machine.runCommand(pools.oursPath, [...args, '--', place.app, 'serve'], {
    cwd: place.dir,
  });
  expect(second.status).toBe(255);
  expect(pools.hintsOf(second.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
});
