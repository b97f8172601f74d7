// One socket path has many names (/var/run is a link to /run, a directory is mounted twice): device and inode of its
// directory decide which pool is meant, for second starts, --replace and workers whose supervisor was killed.
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive } from '../helpers/machine/processes.ts';
import { isRoot, needCommands, needRoot } from '../helpers/machine/requirements.ts';
import { runCommand } from '../helpers/machine/run-command.ts';
import { NOBODY } from '../helpers/machine/users.ts';
import { waitFor } from '../helpers/machine/wait-for.ts';
import { oursPath } from '../helpers/pool/command-under-test.ts';
import { killSupervisor, makeEchoPlace, statusOf, type EchoPlace } from '../helpers/pool/echo-pool.ts';
import {
  commandLine,
  endPool,
  expectNothingLeft,
  hintsOf,
  onlyWorker,
  poolFile,
  run,
  start,
  waitForEvents,
  withoutHints,
  type Place,
} from '../helpers/pool/place.ts';
import { askEcho } from '../helpers/web/request-load.ts';

const IN_USE = "spawn-fcgi: socket is already in use, can't spawn";

interface Names {
  place: EchoPlace;
  /** Of the same socket. */
  direct: string;
  linked: string;
}

/** `var` is a link to the place's directory. */
async function makeNames(): Promise<Names> {
  const place = await makeEchoPlace();
  symlinkSync(place.dir, join(place.dir, 'var'));
  return { place, direct: place.socket, linked: join(place.dir, 'var/run/app.sock') };
}

const spellings = [
  ['through a link, then without', 'linked', 'direct'],
  ['without a link, then through one', 'direct', 'linked'],
] as const;

describe.for(spellings)('given %s', ([, first, second]) => {
  test('a second start is refused, and --replace takes the pool over', async () => {
    const { place, ...names } = await makeNames();
    const pool = await start(place, [], [], { address: ['-s', names[first]] });
    const refused = await run(place, [], [], { address: ['-s', names[second]] });
    expect(refused.status).toBe(255);
    expect(withoutHints(refused.stderr)).toBe(IN_USE);
    expect(hintsOf(refused.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
    const worker = await onlyWorker(pool);
    const next = await start(place, ['--replace'], [], { address: ['-s', names[second]] });
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
    expect((await statusOf({ ...place, name: names[first] })).pid).toBe(next.pid);
    await endPool(place, next);
    await expectNothingLeft(place);
  });

  test.for([
    ['is there', 'by us'],
    ['is gone', 'by us'],
    ['is gone', 'by another user'],
    ['is gone', 'by an older version'],
  ] as const)('workers of a killed supervisor are found when the file %s (%s)', async ([what, who], ctx) => {
    const { place, ...names } = await makeNames();
    const isOther = who === 'by another user';
    if (isOther) needRoot(ctx);
    if (isOther) for (const path of [place.dir, place.runDir]) chownSync(path, NOBODY, NOBODY);
    const user = isOther ? { uid: NOBODY, gid: NOBODY } : {};
    const old = await start(place, [], [], { address: ['-s', names[first]], ...user });
    const worker = await onlyWorker(old);
    await killSupervisor(old);
    if (what === 'is gone') unlinkSync(place.socket);
    if (who === 'by an older version') forgetNews(place);
    const next = await start(place, [], [], { address: ['-s', names[second]], ...user });
    expect(await waitForEvents(place, 'taken-over')).toMatchObject([{ from: 0, workerPids: [worker] }]);
    await waitFor('the end of the old worker', () => !isAlive(worker));
    expect((await askEcho(place.target)).pid).toBe(await onlyWorker(next));
    await endPool(place, next);
    await expectNothingLeft(place);
  });
});

test('a pool that another mount of the directory leads to is the same pool', async (ctx) => {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'mount');
  const place = await makeEchoPlace();
  const other = join(place.dir, 'other');
  mkdirSync(other);
  const pool = await start(place, [], []);
  const worker = await onlyWorker(pool);
  const byOther = (options: readonly string[]): ReturnType<typeof runCommand> => {
    const args = commandLine(place, options, [], { address: ['-s', join(other, 'app.sock')] });
    const script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
    const inside = ['/bin/sh', '-c', script, 'sh', place.runDir, other, oursPath, ...args];
    return runCommand('unshare', ['--mount', ...inside], { cwd: place.dir });
  };
  const refused = await byOther([]);
  expect(withoutHints(refused.stderr)).toBe(IN_USE);
  expect(hintsOf(refused.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
  const replaced = await byOther(['--replace']);
  expect(replaced).toMatchObject({ status: 0 });
  await waitFor('the end of the old worker', () => !isAlive(worker));
  expect((await askEcho(place.target)).pid).not.toBe(worker);
});

test.for([
  ['of ours', isRoot ? 0 : undefined],
  ['of root, for another user', NOBODY],
] as const)('--state-dir through a link %s is the directory that it leads to', async ([, uid], ctx) => {
  if (uid === NOBODY) needRoot(ctx);
  const place = await makeEchoPlace();
  const user = uid === NOBODY ? { uid, gid: uid } : {};
  if (uid === NOBODY) for (const path of [place.dir, place.runDir]) chownSync(path, uid, uid);
  const link = join(place.dir, 'state-link');
  symlinkSync(place.stateDir, link);
  mkdirSync(place.stateDir, 0o755);
  if (uid === NOBODY) chownSync(place.stateDir, uid, uid);
  const pool = await start({ ...place, stateDir: link }, [], [], user);
  const refused = await run(place, [], [], user);
  expect(hintsOf(refused.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
  expect((await statusOf({ ...place, stateDir: link }, user)).pid).toBe(pool.pid);
  await endPool(place, pool);
  await expectNothingLeft(place);
});

test("--state-dir through another user's link is refused", async (ctx) => {
  needRoot(ctx);
  const place = await makeEchoPlace();
  mkdirSync(place.stateDir);
  const link = join(place.runDir, 'state-link');
  chownSync(place.runDir, NOBODY, NOBODY);
  await runCommand('ln', ['-s', place.stateDir, link], { uid: NOBODY, gid: NOBODY });
  const refused = await run({ ...place, stateDir: link }, [], []);
  expect(refused.status).toBe(255);
  const why = `'${link}' is a link of user nobody into a directory of root`;
  expect(refused.stderr).toContain(`--state-dir cannot be used: ${link}: ${why}`);
  expect(readdirSync(place.stateDir)).toEqual([]);
});

/** Makes the state one of a version that wrote down neither the socket's file nor the PID namespace. */
function forgetNews(place: Place): void {
  const path = poolFile(place, '.state');
  const change = (line: string): string => {
    const { socketFile: _file, pidNamespace: _space, ...state } = JSON.parse(line) as Record<string, unknown>;
    return JSON.stringify(state);
  };
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/^\{.*\}$/gm, change));
}
