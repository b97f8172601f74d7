// A socket whose directory is reached by links in a chroot: they lead where the jailed pool sees them lead.
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveInRoot, walkInRoot } from '../../src/sys/path/resolve-in-root.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { needRoot, runCommand } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const user = ['-u', 'nobody', '-g', 'nogroup'];

interface Jail {
  readonly place: pools.Place;
  readonly root: string;
  readonly args: (socket: string, more?: readonly string[], program?: string) => string[];
}

/** ROOT/run is the socket's directory; ROOT/var/run leads to it as distributions have it. */
function makeJail(target: string): Jail {
  const place = pools.makePlace();
  const root = join(place.dir, 'root');
  mkdirSync(join(root, 'run'), { recursive: true });
  mkdirSync(join(root, 'var'));
  symlinkSync(target, join(root, 'var/run'));
  copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
  const args: Jail['args'] = (socket, more = [], program = '/app') => {
    const own = ['--state-dir', place.stateDir, '--log', place.log, '-c', root, ...user];
    return ['-s', socket, ...own, ...more, '--', program, 'serve'];
  };
  return { place, root, args };
}

const links = [
  ['an absolute link', '/run'],
  ['a relative link', '../run'],
  ['a relative link that climbs above the root', '../../../../run'],
] as const;

test.for(links)('%s names the pool by where it leads in the root', async ([, target], ctx) => {
  needRoot(ctx);
  const { place, root, args } = makeJail(target);
  const path = join(root, 'run/app.sock');
  const pool = await pools.startPool(args('/var/run/app.sock'), { cwd: place.dir });
  expect(pools.readPoolState(place)).toMatchObject({ pid: pool.pid, address: path });
  await pools.visit({ path });
  for (const spelling of ['/run/app.sock', '/var/run/../run/app.sock', '../run/./app.sock']) {
    const second = await runCommand(pools.oursPath, args(spelling), { cwd: place.dir });
    expect(second.status).toBe(255);
    expect(pools.hintsOf(second.stderr).join('\n')).toContain(`supervisor PID ${pool.pid}`);
  }
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNoProcess(place);
  // The -u user may not remove a file there; nothing else stays.
  expect(readdirSync(join(root, 'run'))).toEqual(['app.sock']);
});

test.for(links)('%s: a start that fails leaves no socket', async ([, target], ctx) => {
  needRoot(ctx);
  const { place, root, args } = makeJail(target);
  const failed = await runCommand(pools.oursPath, args('/var/run/app.sock', [], '/missing'), {
    cwd: place.dir,
  });
  expect(failed.status).toBe(2);
  expect(readdirSync(join(root, 'run'))).toEqual([]);
  expect(readdirSync(place.stateDir)).toEqual([]);
});

test.for(links)('%s: a stop removes the socket from a directory of the -u user', async ([, target], ctx) => {
  needRoot(ctx);
  const { place, root, args } = makeJail(target);
  await runCommand('chown', ['nobody', join(root, 'run')]);
  const pool = await pools.startPool(args('/var/run/app.sock'), { cwd: place.dir });
  expect(existsSync(join(root, 'run/app.sock'))).toBe(true);
  process.kill(pool.pid, 'SIGTERM');
  await pools.expectNoProcess(place);
  expect(readdirSync(join(root, 'run'))).toEqual([]);
});

test('without a chroot, .. after a link is the parent of where it leads', async () => {
  const place = pools.makePlace();
  const [far, dir] = [join(place.dir, 'far/run'), join(place.dir, 'link')];
  mkdirSync(far, { recursive: true });
  symlinkSync(far, dir);
  const args = ['--state-dir', place.stateDir, '--log', place.log, '--', place.app, 'serve'];
  const pool = await pools.startPool(['-s', `${dir}/../app.sock`, ...args], { cwd: place.dir });
  expect(pools.readPoolState(place)).toMatchObject({ address: join(place.dir, 'far/app.sock') });
  await pool.stop();
});

test('by hand, links lead where the kernel says they lead', () => {
  const { root } = makeJail('/run');
  mkdirSync(join(root, 'a/b'), { recursive: true });
  symlinkSync('../../../../var/run/', join(root, 'a/b/up'));
  symlinkSync('up', join(root, 'a/b/chain'));
  symlinkSync('loop', join(root, 'loop'));
  const expected = {
    '/var/run': 'run',
    'a/b/up': 'run',
    '/a/b/chain/../a/./b//': 'a/b',
    '../..': '.',
    'a/missing/../b': 'a/b',
    loop: 'loop',
  };
  for (const [path, leadsTo] of Object.entries(expected)) {
    expect({ path, leadsTo: walkInRoot(root, path) }).toEqual({ path, leadsTo: join(root, leadsTo) });
    expect(resolveInRoot(root, path)).toBe(join(root, leadsTo));
  }
});
