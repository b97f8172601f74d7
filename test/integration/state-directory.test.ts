// Where lock and state live, who may touch them, and what happens when the directory cannot be used.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { atEnd } from '../helpers/machine/cleanup.ts';
import { isAlive } from '../helpers/machine/processes.ts';
import { isRoot, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand, type RunResult } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { oursPath, printedPids, startPool } from '../helpers/pool/command-under-test.ts';
import {
  commandLine,
  endPool,
  expectNoProcess,
  hintsOf,
  makePlace,
  onlyWorker,
  run,
  start,
  visit,
  type Place,
} from '../helpers/pool/place.ts';

/** What can be in the place of a base directory, and a word of the reason. */
const unusable: readonly (readonly [string, (path: string, place: Place) => void, RegExp])[] = [
  ['a file', (path) => writeFileSync(path, 'precious'), /ENOTDIR|not a directory/i],
  [
    'a symbolic link to a directory',
    (path, { runDir }) => symlinkSync(runDir, path),
    /ENOTDIR|ELOOP|link|not a directory/i,
  ],
  ['a directory that everybody can write', (path) => makeDirectory(path, 0o777), /writable by others/],
  ['a directory that a group can write', (path) => makeDirectory(path, 0o770), /writable by others/],
];

function makeDirectory(path: string, mode: number, owner?: number): void {
  mkdirSync(path);
  chmodSync(path, mode);
  if (owner !== undefined) chownSync(path, owner, owner);
}

describe('--state-dir', () => {
  // A link of ours is followed: the user named it (same-path.test.ts).
  const refused = unusable.filter(([what]) => !what.includes('link'));

  test.for(refused)('with %s is refused, and nothing is made in it', async ([, make, reason]) => {
    const place = makePlace();
    make(place.stateDir, place);
    const result = await run(place, ['-P', place.pidFile]);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toMatch(/^spawn-fcgi: --state-dir cannot be used: /);
    expect(result.stderr).toMatch(reason);
    await expectNoProcess(place);
    expect(readdirSync(place.runDir)).toEqual([]);
    if (lstatSync(place.stateDir).isDirectory()) expect(readdirSync(place.stateDir)).toEqual([]);
  });

  test('of another user is refused', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    makeDirectory(place.stateDir, 0o700, NOBODY);
    const result = await run(place);
    expect(result.status).toBe(255);
    expect(result.stderr).toContain(`belongs to uid ${NOBODY}`);
    expect(readdirSync(place.stateDir)).toEqual([]);
  });

  test('that is missing is made, for its owner to write', async () => {
    const place = makePlace();
    await start(place);
    const { mode, uid } = statSync(place.stateDir);
    expect(mode & 0o022).toBe(0);
    expect(uid).toBe(process.getuid?.());
  });

  test('in a directory that is missing, too, is refused, and none is made', async () => {
    const place = makePlace();
    const above = join(place.dir, 'missing');
    const result = await run({ ...place, stateDir: join(above, 'state') });
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(hintsOf(result.stderr)).toEqual([`the directory '${above}' does not exist: create it first`]);
    expect(existsSync(above)).toBe(false);
  });

  test('that is made is told of on a terminal, once', async (ctx) => {
    needCommands(ctx, 'script');
    const place = makePlace();
    const line = [oursPath, ...commandLine(place, [])].map((word) => `'${word}'`).join(' ');
    const startOnTerminal = async (): Promise<string> => {
      const result = await runCommand('script', ['-qec', line, '/dev/null'], { cwd: place.dir });
      await endPool(place, { pid: printedPids(result.stdout.replaceAll('\r', ''))[0] ?? 0 });
      return result.stdout;
    };
    expect(await startOnTerminal()).toContain(`--state-dir '${place.stateDir}' was not there and is made`);
    expect(await startOnTerminal()).not.toContain('--state-dir');
  });

  test('with a symbolic link as the lock is refused, and the target stays', async () => {
    const place = makePlace();
    const pool = await start(place);
    const names = readdirSync(place.stateDir);
    await endPool(place, pool);
    const target = join(place.dir, 'precious');
    writeFileSync(target, 'precious');
    for (const name of names) symlinkSync(target, join(place.stateDir, name));
    expect((await run(place)).status).toBe(255);
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  test('with a broken state file of an earlier pool is no obstacle', async () => {
    const place = makePlace();
    const pool = await start(place);
    const names = readdirSync(place.stateDir);
    await endPool(place, pool);
    for (const name of names)
      writeFileSync(join(place.stateDir, name), '{"version":1,"pid":"x', { mode: 0o600 });
    const next = await start(place);
    expect(isAlive(next.pid)).toBe(true);
  });
});

describe("root's directory", () => {
  test('is /run/spawn-fcgi, made with mode 0755 and left empty at the end', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const slashRun = join(place.dir, 'slash-run');
    mkdirSync(slashRun);
    const result = await startWithRun(place, slashRun);
    expect(result.status).toBe(0);
    expect(statSync(join(slashRun, 'spawn-fcgi')).mode & 0o777).toBe(0o755);
    expect(readdirSync(join(slashRun, 'spawn-fcgi'))).toHaveLength(3);
    await endPool(place, { pid: printedPids(result.stdout)[0] ?? 0 });
    expect(readdirSync(join(slashRun, 'spawn-fcgi'))).toEqual([]);
  });

  test.for(unusable)(
    'if it is %s, is not used: the pool runs, and a hint says so',
    async ([, make, reason], ctx) => {
      needRoot(ctx);
      const place = makePlace();
      const slashRun = join(place.dir, 'slash-run');
      mkdirSync(slashRun);
      make(join(slashRun, 'spawn-fcgi'), place);
      const result = await startWithRun(place, slashRun);
      expect(result.status).toBe(0);
      expect(hintsOf(result.stderr).join('\n')).toMatch(reason);
      const pid = printedPids(result.stdout)[0] ?? 0;
      await onlyWorker({ pid });
      expect(readdirSync(place.runDir)).toEqual(['app.sock']);
      await endPool(place, { pid });
    },
  );

  test('of another user is not used', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const slashRun = join(place.dir, 'slash-run');
    mkdirSync(slashRun);
    makeDirectory(join(slashRun, 'spawn-fcgi'), 0o755, NOBODY);
    const result = await startWithRun(place, slashRun);
    expect(result.status).toBe(0);
    expect(hintsOf(result.stderr).join('\n')).toContain(`belongs to uid ${NOBODY}`);
    expect(readdirSync(join(slashRun, 'spawn-fcgi'))).toEqual([]);
  });

  test('on a read-only file system is not used, and a second start is refused all the same', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'unshare', 'mount');
    const place = makePlace();
    const script = 'mount -t tmpfs -o ro tmpfs /run && "$@"; first=$?; "$@"; exit $first$?';
    const args = ['--mount', '/bin/sh', '-c', script, 'sh', oursPath, ...withoutStateDir(place)];
    const result = await runCommand('unshare', args, { cwd: place.dir, timeoutMs: 8_000 });
    expect(result.status).toBe(255);
    expect(printedPids(result.stdout)).toHaveLength(1);
    expect(hintsOf(result.stderr)[0]).toBe(
      'no lock and no state file for this pool: /run/spawn-fcgi: Read-only file system; --state-dir names another directory',
    );
    expect(result.stderr).toContain("spawn-fcgi: socket is already in use, can't spawn");
    await visit({ path: place.socket });
  });

  function startWithRun(place: Place, slashRun: string): Promise<RunResult> {
    const args = [`bind=${slashRun}:/run`, '--', oursPath, ...withoutStateDir(place)];
    return runCommand(compileC(fixture('caller.c')), args, { cwd: place.dir, timeoutMs: 8_000 });
  }
});

describe("a user's directory", () => {
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const env = (place: Place) => ({ PATH: '/usr/bin:/bin', XDG_RUNTIME_DIR: join(place.dir, 'runtime') });

  function makeUserPlace(): { place: Place; base: string } {
    const place = makePlace();
    const runtime = join(place.dir, 'runtime');
    mkdirSync(runtime, { mode: 0o700 });
    if (isRoot) for (const path of [runtime, place.dir, place.runDir]) chownSync(path, NOBODY, NOBODY);
    return { place, base: join(runtime, 'spawn-fcgi') };
  }

  function startAsUser(place: Place): Promise<RunResult> {
    return runCommand(oursPath, withoutStateDir(place), {
      cwd: place.dir,
      env: env(place),
      ...user,
      timeoutMs: 8_000,
    });
  }

  test('is in XDG_RUNTIME_DIR, with mode 0700 and its owner', async () => {
    const { place, base } = makeUserPlace();
    const result = await startAsUser(place);
    expect(result.status).toBe(0);
    expect(statSync(base)).toMatchObject({ uid: user.uid ?? process.getuid?.(), mode: 0o40700 });
    expect(readdirSync(base)).toHaveLength(3);
    const second = await startAsUser(place);
    expect(second.status).toBe(255);
    expect(hintsOf(second.stderr).join('\n')).toContain(String(printedPids(result.stdout)[0]));
  });

  test.for([
    ['is RUNTIME_DIRECTORY, the first of them, where there is no XDG_RUNTIME_DIR', undefined, true],
    ['is not RUNTIME_DIRECTORY where there is an XDG_RUNTIME_DIR', 'runtime', false],
  ] as const)('%s', async ([, ofUser, isUnit]) => {
    const { place } = makeUserPlace();
    const unit = join(place.dir, 'unit');
    makeDirectory(unit, 0o755, user.uid);
    // As systemd makes it for a DynamicUser whose directory outlives the service.
    symlinkSync(unit, join(place.dir, 'link'));
    const runtime = ofUser === undefined ? {} : { XDG_RUNTIME_DIR: join(place.dir, ofUser) };
    const directories = `${join(place.dir, 'link')}:${place.runDir}`;
    const how = {
      cwd: place.dir,
      env: { PATH: process.env['PATH'], RUNTIME_DIRECTORY: directories, ...runtime },
      ...user,
      timeoutMs: 8_000,
    };
    const result = await runCommand(oursPath, withoutStateDir(place), how);
    expect(result.status).toBe(0);
    expect(readdirSync(unit)).toHaveLength(isUnit ? 3 : 0);
    const pid = printedPids(result.stdout)[0] ?? 0;
    const ping = await runCommand(join(dirname(oursPath), 'spawn-fcgictl'), ['ping', String(pid)], how);
    expect(ping).toMatchObject({ status: 0 });
    await endPool(place, { pid });
    expect(readdirSync(unit)).toEqual([]);
  });

  test('is not looked for below a relative XDG_RUNTIME_DIR', async () => {
    const { place } = makeUserPlace();
    const fallback = `/tmp/spawn-fcgi-${user.uid ?? process.getuid?.()}`;
    if (!existsSync(fallback)) atEnd(() => rmdirSync(fallback));
    const relative = { ...env(place), XDG_RUNTIME_DIR: 'runtime' };
    const result = await runCommand(oursPath, withoutStateDir(place), {
      cwd: place.dir,
      env: relative,
      ...user,
      timeoutMs: 8_000,
    });
    expect(result.status).toBe(0);
    expect(readdirSync(join(place.dir, 'runtime'))).toEqual([]);
    await endPool(place, { pid: printedPids(result.stdout)[0] ?? 0 });
  });

  test('in /tmp has the uid in its name, and somebody else cannot take its place', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const tmp = join(place.dir, 'tmp');
    makeDirectory(tmp, 0o1777);
    makeDirectory(join(tmp, `spawn-fcgi-${NOBODY}`), 0o777, 33);
    copyFileSync(place.app, join(tmp, 'app'));
    // The checkout may lie below /tmp, which is hidden then: it gets another place first.
    const checkout = dirname(dirname(oursPath));
    const settings = [`bind=${checkout}:/mnt`, `bind=${tmp}:/tmp`, `user=${NOBODY}:${NOBODY}`];
    const script = 'cd /tmp && exec "$@"';
    const options = ['-s', '/tmp/app.sock', '--log', '/tmp/log', '--', '/tmp/app', 'serve', place.dir];
    const result = await runCommand(
      compileC(fixture('caller.c')),
      [...settings, '--', '/bin/sh', '-c', script, 'sh', '/mnt/bin/spawn-fcgi', ...options],
      { cwd: '/', env: { PATH: '/usr/bin:/bin' }, timeoutMs: 8_000 },
    );
    expect(result.status).toBe(0);
    expect(hintsOf(result.stderr).join('\n')).toContain('belongs to uid 33');
    expect(readdirSync(join(tmp, `spawn-fcgi-${NOBODY}`))).toEqual([]);
  });
});

describe('with -u, lock, state and supervisor', () => {
  const asWorker = { uid: NOBODY, gid: NOBODY };

  test('belong to the starter, with mode 0600, and the worker can neither write nor remove them', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    await start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const files = readdirSync(place.stateDir).map((name) => join(place.stateDir, name));
    expect(new Set(files.map((path) => path.split('.').at(-1)))).toEqual(new Set(['ctl', 'lock', 'state']));
    for (const path of files) {
      const type = path.endsWith('.ctl') ? 0o140000 : 0o100000;
      expect(statSync(path)).toMatchObject({ uid: 0, gid: 0, mode: type | 0o600 });
      for (const attempt of [
        `: >>'${path}'`,
        `: <'${path}'`,
        `rm -f '${path}'`,
        `mv '${path}' '${path}.x'`,
      ]) {
        expect((await runCommand('/bin/sh', ['-c', attempt], asWorker)).status).not.toBe(0);
      }
    }
    const lock = files.find((path) => path.endsWith('.lock')) ?? '';
    expect((await runCommand('flock', ['--nonblock', lock, 'true'], asWorker)).status).not.toBe(0);
  });

  test('are out of reach by /proc and ptrace, for all descriptors that the supervisor holds', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    const { pid } = await start(place, ['-u', 'nobody', '-g', 'nogroup', '-P', place.pidFile]);
    await expectOutOfReach(pid, asWorker);
  });

  test('of a pool that the same user started are out of reach, too', async (ctx) => {
    needRoot(ctx);
    const place = makePlace();
    mkdirSync(place.stateDir, { mode: 0o700 });
    for (const path of [place.dir, place.runDir, place.stateDir]) chownSync(path, NOBODY, NOBODY);
    const { pid } = await start(place, ['-P', place.pidFile], ['serve'], asWorker);
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
      const result = await runCommand('/bin/sh', ['-c', attempt], user);
      expect({ attempt, status: result.status === 0, stdout: result.stdout }).toEqual({
        attempt,
        status: false,
        stdout: '',
      });
    }
  }

  test('cannot be reached by strace as the worker', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'strace');
    const place = makePlace();
    const { pid } = await start(place, ['-u', 'nobody', '-g', 'nogroup']);
    const result = await runCommand('strace', ['-qq', '-p', String(pid)], { ...asWorker, timeoutMs: 3_000 });
    expect(result.timedOut).toBe(false);
    expect(result.stderr).toMatch(/Operation not permitted/);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
  });
});

/** The command line of a pool that uses the default directory. */
function withoutStateDir(place: Place): string[] {
  const args = commandLine(place, []);
  const at = args.indexOf('--state-dir');
  return [...args.slice(0, at), ...args.slice(at + 2)];
}

test('a pool with -S is named by its socket outside the chroot', async (ctx) => {
  needRoot(ctx);
  const place = makePlace();
  const root = join(place.dir, 'root');
  makeDirectory(root, 0o755);
  copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const args = ['-s', place.socket, '--state-dir', place.stateDir, '--log', place.log];
  const pool = await startPool([...args, '-c', root, '-S', '--', '/app', 'serve'], { cwd: place.dir });
  const second = await runCommand(oursPath, [...args, '--', place.app, 'serve'], { cwd: place.dir });
  expect(second.status).toBe(255);
  expect(hintsOf(second.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
});
