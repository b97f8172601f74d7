// One socket path has many names (/var/run is a link to /run, a directory is mounted twice): device and inode of its
// directory decide which pool is meant, for second starts, --replace and workers whose supervisor was killed.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { askEcho } from '../helpers/web/index.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";

interface Names {
  place: pools.EchoPlace;
  /** Of the same socket. */
  direct: string;
  linked: string;
}

/** `var` is a link to the place's directory. */
async function makeNames(): Promise<Names> {
  const place = await pools.makeEchoPlace();
  fs.symlinkSync(place.dir, join(place.dir, 'var'));
  return { place, direct: place.socket, linked: join(place.dir, 'var/run/app.sock') };
}

const spellings = [
  ['through a link, then without', 'linked', 'direct'],
  ['without a link, then through one', 'direct', 'linked'],
] as const;

describe.for(spellings)('given %s', ([, first, second]) => {
  test('a second start is refused, and --replace takes the pool over', async () => {
    const { place, ...names } = await makeNames();
    const pool = await pools.start(place, [], [], { address: ['-s', names[first]] });
    const refused = await pools.run(place, [], [], { address: ['-s', names[second]] });
    expect(refused.status).toBe(255);
    expect(pools.withoutHints(refused.stderr)).toBe(IN_USE);
    expect(pools.hintsOf(refused.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
    const worker = await pools.onlyWorker(pool);
    const next = await pools.start(place, ['--replace'], [], { address: ['-s', names[second]] });
    await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
    expect((await pools.statusOf({ ...place, name: names[first] })).pid).toBe(next.pid);
    await pools.endPool(place, next);
    await pools.expectNothingLeft(place);
  });

  test.for([
    ['is there', 'by us'],
    ['is gone', 'by us'],
    ['is gone', 'by another user'],
    ['is gone', 'by an older version'],
  ] as const)('workers of a killed supervisor are found when the file %s (%s)', async ([what, who], ctx) => {
    const { place, ...names } = await makeNames();
    const isOther = who === 'by another user';
    if (isOther) machine.needRoot(ctx);
    if (isOther)
      for (const path of [place.dir, place.runDir]) fs.chownSync(path, machine.NOBODY, machine.NOBODY);
    const user = isOther ? { uid: machine.NOBODY, gid: machine.NOBODY } : {};
    const old = await pools.start(place, [], [], { address: ['-s', names[first]], ...user });
    const worker = await pools.onlyWorker(old);
    await pools.killSupervisor(old);
    if (what === 'is gone') fs.unlinkSync(place.socket);
    if (who === 'by an older version') forgetNews(place);
    const next = await pools.start(place, [], [], { address: ['-s', names[second]], ...user });
    expect(await pools.waitForEvents(place, 'taken-over')).toMatchObject([{ from: 0, workerPids: [worker] }]);
    await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await pools.onlyWorker(next));
    await pools.endPool(place, next);
    await pools.expectNothingLeft(place);
  });
});

test('a pool that another mount of the directory leads to is the same pool', async (ctx) => {
  machine.needRoot(ctx);
  machine.needCommands(ctx, 'unshare', 'mount');
  const place = await pools.makeEchoPlace();
  const other = join(place.dir, 'other');
  fs.mkdirSync(other);
  const pool = await pools.start(place, [], []);
  const worker = await pools.onlyWorker(pool);
  const byOther = (options: readonly string[]): ReturnType<typeof machine.runCommand> => {
    const args = pools.commandLine(place, options, [], { address: ['-s', join(other, 'app.sock')] });
    const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const inside = ['/bin/sh', '-c', script, 'sh', place.runDir, other, pools.oursPath, ...args];
    return machine.runCommand('unshare', ['--mount', ...inside], { cwd: place.dir });
  };
  const refused = await byOther([]);
  expect(pools.withoutHints(refused.stderr)).toBe(IN_USE);
  expect(pools.hintsOf(refused.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
  const replaced = await byOther(['--replace']);
  expect(replaced).toMatchObject({ status: 0 });
  await machine.waitFor('the end of the old worker', () => !machine.isAlive(worker));
  expect((await askEcho(place.target)).pid).not.toBe(worker);
});

test.for([
  ['of ours', machine.isRoot ? 0 : undefined],
  ['of root, for another user', machine.NOBODY],
] as const)('--state-dir through a link %s is the directory that it leads to', async ([, uid], ctx) => {
  if (uid === machine.NOBODY) machine.needRoot(ctx);
  const place = await pools.makeEchoPlace();
  const user = uid === machine.NOBODY ? { uid, gid: uid } : {};
  if (uid === machine.NOBODY) for (const path of [place.dir, place.runDir]) fs.chownSync(path, uid, uid);
  const link = join(place.dir, 'state-link');
  fs.symlinkSync(place.stateDir, link);
  fs.mkdirSync(place.stateDir, 0o755);
  if (uid === machine.NOBODY) fs.chownSync(place.stateDir, uid, uid);
  const pool = await pools.start({ ...place, stateDir: link }, [], [], user);
  const refused = await pools.run(place, [], [], user);
  expect(pools.hintsOf(refused.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
  expect((await pools.statusOf({ ...place, stateDir: link }, user)).pid).toBe(pool.pid);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
});

test("--state-dir through another user's link is refused", async (ctx) => {
  machine.needRoot(ctx);
  const place = await pools.makeEchoPlace();
  fs.mkdirSync(place.stateDir);
  const link = join(place.runDir, 'state-link');
  fs.chownSync(place.runDir, machine.NOBODY, machine.NOBODY);
  await machine.runCommand('ln', ['-s', place.stateDir, link], { uid: machine.NOBODY, gid: machine.NOBODY });
  const refused = await pools.run({ ...place, stateDir: link }, [], []);
  expect(refused.status).toBe(255);
  const why = `'${link}' is a link of user nobody into a directory of root`;
  expect(refused.stderr).toContain(`--state-dir cannot be used: ${link}: ${why}`);
  expect(fs.readdirSync(place.stateDir)).toEqual([]);
});

/** Makes the state one of a version that wrote down neither the socket's file nor the PID namespace. */
function forgetNews(place: pools.Place): void {
  const path = pools.poolFile(place, '.state');
  const change = (line: string): string => {
    const { socketFile: _file, pidNamespace: _space, ...state } = JSON.parse(line) as Record<string, unknown>;
    return JSON.stringify(state);
  };
  fs.writeFileSync(path, fs.readFileSync(path, 'utf8').replaceAll(/^\{.*\}$/gm, change));
}
