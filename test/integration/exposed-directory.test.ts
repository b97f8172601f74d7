// A directory that everybody may write, without a sticky bit (a Kubernetes emptyDir, a chmod 777 in a script): root
// binds there and says what that means, and nobody who exchanges files there gets anything of root's changed.
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { O_PATH, libc, listenOn } from '../helpers/sys/index.ts';

const everybody = 0o777;

function makeExposedPlace(): pools.Place {
  const place = pools.makePlace();
  fs.chmodSync(place.runDir, everybody);
  return place;
}

function exposureOf({ runDir }: pools.Place): string {
  return `everybody may replace files in '${runDir}', this socket too, and get what its clients send; if that is not meant: chmod +t ${runDir}`;
}

test('root is told and goes on, and the socket has the owner and mode that were asked for', async (ctx) => {
  machine.needRoot(ctx);
  const place = makeExposedPlace();
  const pool = await pools.start(place, ['-u', 'nobody', '-g', 'nogroup', '-M', '0606']);
  expect(pools.hintsOf(pool.stderr)).toContain(exposureOf(place));
  expect(fs.statSync(place.socket)).toMatchObject({ uid: machine.NOBODY, mode: 0o140606 });
  await pools.visit({ path: place.socket });
  await pools.endPool(place, pool);
});

test.for(['the sticky bit', 'the -u user as its owner', 'another user that starts the pool'])(
  'with %s nobody is told',
  async (what, ctx) => {
    machine.needRoot(ctx);
    const place = makeExposedPlace();
    if (what === 'the sticky bit') fs.chmodSync(place.runDir, 0o1777);
    if (what.startsWith('the -u')) fs.chownSync(place.runDir, machine.NOBODY, machine.NOBODY);
    const isOther = what.startsWith('another');
    if (isOther) fs.chownSync(place.dir, machine.NOBODY, machine.NOBODY);
    const user = isOther ? { uid: machine.NOBODY, gid: machine.NOBODY } : {};
    const pool = await pools.start(place, isOther ? [] : ['-u', 'nobody'], ['serve'], user);
    expect(pools.hintsOf(pool.stderr).join('\n')).not.toContain('everybody may replace');
    await pools.endPool(place, pool);
  },
);

test.for(['to a file', "to another pool's socket", 'to nothing'])(
  'a symbolic link %s at the path of the socket is refused there, too',
  async (where, ctx) => {
    machine.needRoot(ctx);
    const place = makeExposedPlace();
    const target = join(place.dir, 'target');
    if (where === 'to a file') fs.writeFileSync(target, 'precious', { mode: 0o600 });
    if (where.startsWith('to another')) await listen(target);
    fs.symlinkSync(target, place.socket);
    const before = where === 'to nothing' ? undefined : factsOf(target);
    const refused = await pools.run(place, ['-u', 'nobody', '-M', '0666']);
    expect(refused.status).toBe(255);
    expect(refused.stderr).toContain('exists and is not a socket');
    if (before) expect(factsOf(target)).toEqual(before);
  },
);

// Without CAP_NET_ADMIN, as root has it in a container, the kernel does not hand out the file of a socket.
test.for([
  ['links', 'root'],
  ['links', 'root without CAP_NET_ADMIN'],
  ['socket', 'root'],
  ['socket', 'root without CAP_NET_ADMIN'],
] as const)(
  'what somebody puts in its place while it is made (%s) keeps its owner and mode, started by %s',
  { timeout: 60_000 },
  async ([what, who], ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'setpriv');
    const place = makeExposedPlace();
    const file = join(place.dir, 'of-root');
    fs.writeFileSync(file, 'precious');
    // Linux forbids a second name of a file that one may not write (fs.protected_hardlinks).
    fs.chmodSync(file, 0o666);
    const socket = join(place.runDir, 'other.sock');
    await listen(socket);
    // Whoever may write there may move and remove it.
    const held = fs.openSync(socket, O_PATH);
    const before = { file: factsOf(file), socket: heldFactsOf(held) };
    const attacker = pools.startForeground([what, place.runDir, 'app.sock', file, 'other.sock'], {
      command: compileC(fixture('socket-swapper.c')),
      uid: machine.NOBODY,
      gid: machine.NOBODY,
    });
    await machine.waitFor('the attacker', () => attacker.stdout().startsWith('ready'));
    for (let round = 0; round < 5; round += 1) {
      const { status, stdout, stderr } = await startUnderAttack(place, who);
      expect({ stderr, isKnown: status === 0 || status === 255 }).toMatchObject({ isKnown: true });
      const pid = Number(/PID: (\d+)/.exec(stdout)?.[1]);
      if (status === 0) process.kill(pid, 'SIGTERM');
    }
    process.kill(attacker.pid, 'SIGKILL');
    await attacker.ended;
    expect({ file: factsOf(file), socket: heldFactsOf(held) }).toEqual(before);
    fs.closeSync(held);
    expect(attacker.stdout().split('\n').length).toBeGreaterThan(1);
    await pools.expectNoProcess(place);
  },
);

describe('exchanged in the very moment after it was bound', () => {
  const owner = { uid: machine.NOBODY, gid: machine.NOBODY, mode: 0o606, trustedUids: [], proc: undefined };

  test.for([
    ['a second name of a file', 'the kernel hands out the file'],
    ['a symbolic link to a socket', 'the kernel hands out the file'],
    ['another socket', 'the kernel hands out the file'],
    ['a symbolic link to a socket', 'the kernel names the file'],
    ['another socket', 'the kernel names the file'],
    ['another socket', 'the kernel says nothing'],
  ] as const)('for %s, where %s: nothing is changed', async ([what, how], ctx) => {
    machine.needRoot(ctx);
    const place = makeExposedPlace();
    const [file, socket] = [join(place.dir, 'of-root'), join(place.runDir, 'other.sock')];
    fs.writeFileSync(file, 'precious');
    await listen(socket);
    const before = { file: factsOf(file), socket: factsOf(socket) };
    limitKernel(how);
    afterBind(() => {
      fs.renameSync(place.socket, `${place.socket}.stolen`);
      if (what.endsWith('file')) fs.linkSync(file, place.socket);
      else if (what.startsWith('another')) fs.renameSync(socket, place.socket);
      else fs.symlinkSync(socket, place.socket);
    });
    expect(() => listenOn({ kind: 'unix', path: place.socket }, 5, owner)).toThrow(
      how === 'the kernel says nothing' ? 'refusing to change' : 'was replaced by somebody else',
    );
    const left = fs.existsSync(socket) ? socket : undefined;
    expect(factsOf(file)).toMatchObject({ uid: 0, mode: 0o100644 });
    if (left) expect({ file: factsOf(file), socket: factsOf(left) }).toMatchObject(before);
    expect(fs.statSync(`${place.socket}.stolen`)).toMatchObject({ uid: 0, gid: 0 });
  });

  test('where the kernel says nothing, what needs no change is used', (ctx) => {
    machine.needRoot(ctx);
    const place = makeExposedPlace();
    limitKernel('the kernel says nothing');
    const { descriptor } = listenOn({ kind: 'unix', path: place.socket }, 5, { ...owner, uid: 0, gid: 0 });
    expect(fs.statSync(place.socket)).toMatchObject({ uid: 0, mode: 0o140606 });
    fs.closeSync(descriptor);
  });
});

/** unix(7) hands out the file with CAP_NET_ADMIN only, and not every kernel has sock_diag(7) for Unix sockets. */
function limitKernel(how: string): void {
  const { ioctl, send } = libc;
  if (how !== 'the kernel hands out the file') {
    vi.spyOn(libc, 'ioctl').mockImplementation((_socket, ...args) => ioctl(-1, ...args));
  }
  if (how === 'the kernel says nothing') {
    vi.spyOn(libc, 'send').mockImplementation((_socket, ...args) => send(-1, ...args));
  }
  machine.atEnd(() => void vi.restoreAllMocks());
}

function afterBind(exchange: () => void): void {
  const { bind } = libc;
  vi.spyOn(libc, 'bind').mockImplementationOnce((...args) => {
    const result = bind(...args);
    exchange();
    return result;
  });
}

function startUnderAttack(place: pools.Place, who: string): Promise<machine.RunResult> {
  const args = pools.commandLine(place, ['-u', 'nobody', '-g', 'nogroup', '-M', '0606']);
  return who === 'root'
    ? machine.runCommand(pools.oursPath, args, { cwd: place.dir })
    : machine.runCommand('setpriv', ['--bounding-set', '-net_admin', '--', pools.oursPath, ...args], {
        cwd: place.dir,
      });
}

function factsOf(path: string): object {
  return pick(fs.lstatSync(path));
}

function heldFactsOf(descriptor: number): object {
  return pick(fs.fstatSync(descriptor));
}

function pick({ uid, gid, mode, ino }: fs.Stats): object {
  return { uid, gid, mode, ino };
}

function listen(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.end());
    server.once('error', reject);
    server.listen(path, () => resolve());
    machine.atEnd(() => void server.close());
  });
}
