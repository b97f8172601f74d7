// Directories on the way to what root's start makes: links that somebody else made there lead root only to what is his.
import * as fs from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDirectory, walkedPath } from '../../src/sys/path/open-parent.ts';
import { atEnd, needRoot, runCommand, NOBODY, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { O_PATH, libc, listenOn, openBoundFile, asUser } from '../helpers/sys/index.ts';

interface Site {
  readonly place: pools.Place;
  /** A directory of nobody's. */
  readonly path: string;
  /** One of root's, which nobody may not write. */
  readonly victim: string;
}

const OTHER = 54_321;

function makeSite(): Site {
  const place = pools.makePlace();
  const site = { place, path: join(place.dir, 'site'), victim: join(place.dir, 'victim') };
  makeDirectory(site.path, NOBODY);
  fs.mkdirSync(site.victim);
  return site;
}

function makeDirectory(path: string, owner = 0, mode = 0o755): string {
  fs.mkdirSync(path);
  fs.chownSync(path, owner, owner);
  fs.chmodSync(path, mode);
  return path;
}

function makeLink(path: string, target: string, owner = NOBODY): string {
  fs.symlinkSync(target, path);
  fs.lchownSync(path, owner, owner);
  return path;
}

const hint =
  "root follows a link that another user may have made only into that user's own directories; name the directory itself";

describe('a link of the -u user into a directory of root is refused', () => {
  test.for([
    ['--log', 'app.log', "opening log file '%' failed"],
    ['--output', 'app.out', "opening output file '%' failed"],
    ['-P', 'app.pid', "opening PID-file '%' failed"],
    ['--worker-pid-file', 'app.pid', "opening PID-file '%' failed"],
    ['-s', 'app.sock', "binding socket '%' failed"],
    ['--state-dir', 'state', '--state-dir cannot be used: %'],
    ['--state-dir', '', '--state-dir cannot be used: %'],
    ['-c', '', "chroot('%') failed"],
  ] as const)('for %s (%s)', async ([option, name, what], ctx) => {
    needRoot(ctx);
    const { place, path, victim } = makeSite();
    const link = makeLink(join(path, 'link'), victim);
    const value = name === '' ? link : join(link, name);
    const others = { '-s': place.socket, '--state-dir': place.stateDir, '--log': place.log, '-u': 'nobody' };
    const options = Object.entries({ ...others, [option]: value }).flat();
    const result = await runCommand(pools.oursPath, [...options, '--', place.app, 'serve'], {
      cwd: place.dir,
    });
    expect(result).toMatchObject({ status: 255, stdout: '' });
    const why = `'${link}' is a link of user nobody into a directory of root`;
    expect(pools.withoutHints(result.stderr)).toBe(`spawn-fcgi: ${what.replace('%', value)}: ${why}`);
    expect(pools.hintsOf(result.stderr)).toContain(hint);
    expect(fs.readdirSync(victim)).toEqual([]);
    expect(fs.readdirSync(place.runDir)).toEqual([]);
    expect(fs.existsSync(place.stateDir) ? fs.readdirSync(place.stateDir) : []).toEqual([]);
    await pools.expectNoProcess(place);
  });

  // Each makes its links and says where to go and what is wrong.
  const kinds: Record<string, (site: Site) => readonly [path: string, refusal: string]> = {
    'a relative one that climbs'({ path }) {
      const link = makeLink(join(path, 'log'), '../victim');
      return [link, `'${link}' is a link of user nobody into a directory of root`];
    },
    'a chain of them'({ path, victim }) {
      makeLink(join(path, 'second'), victim);
      const link = makeLink(join(path, 'first'), 'second');
      return [link, `'${link}' is a link of user nobody into a directory of root`];
    },
    'one whose end is his, but not what comes behind it'({ path }) {
      makeDirectory(join(path, 'real'), NOBODY);
      makeDirectory(join(path, 'real/conf'));
      const link = makeLink(join(path, 'link'), 'real');
      return [join(link, 'conf'), `'${link}' is a link of user nobody into a directory of root`];
    },
    'one that goes on by a link of root'({ path, place, victim }) {
      makeLink(join(place.dir, 'alias'), victim, 0);
      const link = makeLink(join(path, 'link'), '../alias');
      return [link, `'${link}' is a link of user nobody into a directory of root`];
    },
    'one of root below a directory of his'({ path, victim }) {
      const link = makeLink(join(path, 'link'), victim, 0);
      return [link, `'${link}' is a link of user nobody into a directory of root`];
    },
    'one into a directory of a third user'({ path, place }) {
      const third = makeDirectory(join(place.dir, 'third'), OTHER);
      const link = makeLink(join(path, 'link'), third);
      return [link, `'${link}' is a link of user nobody into a directory of user ${OTHER}`];
    },
    'one of a third user below a directory of his'({ path, place }) {
      const third = makeDirectory(join(place.dir, 'third'), OTHER);
      const link = makeLink(join(path, 'link'), third, OTHER);
      return [link, `'${link}' is a link of user ${OTHER} below a directory of user nobody`];
    },
    'one in a directory for everybody'({ place, victim }) {
      const link = makeLink(join(makeDirectory(join(place.dir, 'tmp'), 0, 0o1777), 'link'), victim);
      return [link, `'${link}' is a link of user nobody into a directory of root`];
    },
    'one of root that anybody may have put there'({ place, victim }) {
      const shared = makeDirectory(join(place.dir, 'shared'), 0, 0o777);
      const link = makeLink(join(shared, 'link'), victim, 0);
      return [link, `'${link}' is a link in a directory that everybody may write`];
    },
    'one to what is his where he does not come'({ path, place }) {
      const hidden = makeDirectory(join(place.dir, 'hidden'), 0, 0o700);
      makeDirectory(join(hidden, 'backup'), NOBODY);
      const link = makeLink(join(path, 'link'), join(hidden, 'backup'));
      return [link, `'${link}' is a link of user nobody to where only root comes`];
    },
    'one by what root has open'({ path, victim }) {
      const descriptor = fs.openSync(victim, fs.constants.O_RDONLY);
      atEnd(() => fs.closeSync(descriptor));
      const link = makeLink(join(path, 'link'), `/proc/${process.pid}/fd/${descriptor}`);
      return [link, `'${link}' is a link of user nobody to where only root comes`];
    },
  };

  test.for(Object.keys(kinds))('%s', (kind, ctx) => {
    needRoot(ctx);
    const [path, refusal] = kinds[kind]?.(makeSite()) ?? ['', ''];
    expect(() => openDirectory(path)).toThrow(refusal);
    expect(() => openDirectory(join(path, '.'))).toThrow(refusal);
    expect(() => walkedPath(path)).toThrow(refusal);
  });
});

describe('what administrators have goes on', () => {
  function expectToLeadTo(path: string, directory: string): void {
    const descriptor = openDirectory(path);
    atEnd(() => fs.closeSync(descriptor));
    expect(identityOf(fs.fstatSync(descriptor))).toBe(identityOf(fs.statSync(directory)));
    expect(identityOf(fs.statSync(walkedPath(path)))).toBe(identityOf(fs.statSync(directory)));
  }

  function identityOf({ dev, ino }: { dev: number; ino: number }): string {
    return `${dev}:${ino}`;
  }

  test('links within what belongs to one user, whoever made them of him and root', (ctx) => {
    needRoot(ctx);
    const { path, place } = makeSite();
    const release = join(path, 'releases/42');
    makeDirectory(join(path, 'releases'), NOBODY);
    makeDirectory(release, NOBODY);
    makeDirectory(join(release, 'log'), NOBODY);
    makeLink(join(path, 'current'), 'releases/42');
    makeLink(join(path, 'absolute'), release);
    makeLink(join(path, 'deployed'), 'releases/42', 0);
    makeLink(join(path, 'twice'), 'current/../42/log');
    makeLink(join(place.dir, 'var'), path, 0);
    for (const name of ['current/log', 'absolute/log', 'deployed/log', 'twice', 'current/./log/'])
      expectToLeadTo(join(path, name), join(release, 'log'));
    expectToLeadTo(join(place.dir, 'var/current'), release);
    expectToLeadTo(join(path, 'current', '..'), join(path));
  });

  test('directories of any owner without links, and links of root', (ctx) => {
    needRoot(ctx);
    const { path, place, victim } = makeSite();
    const deep = makeDirectory(join(makeDirectory(join(path, 'logs')), 'third'), OTHER);
    expectToLeadTo(deep, deep);
    makeLink(join(place.dir, 'alias'), 'victim', 0);
    const open = makeDirectory(join(place.dir, 'tmp'), 0, 0o1777);
    makeLink(join(open, 'alias'), '../alias', 0);
    expectToLeadTo(join(open, 'alias'), victim);
    for (const same of ['/', '/..', '.', '..', '/proc/self/cwd', '/proc/self/root/proc', '/proc/self/'])
      expectToLeadTo(same, same);
  });

  test('a link of root in a directory that root shares with a group', (ctx) => {
    needRoot(ctx);
    const { place, victim } = makeSite();
    const logs = makeDirectory(join(place.dir, 'logs'), 0, 0o775);
    fs.chownSync(logs, 0, NOBODY);
    const link = makeLink(join(logs, 'app'), victim, 0);
    expect(walkedPath(link)).toBe(victim);
  });

  test('what is not there, is no directory, or is a circle fails as for the kernel', (ctx) => {
    needRoot(ctx);
    const { path, place } = makeSite();
    makeLink(join(place.dir, 'round'), 'round', 0);
    makeLink(join(path, 'round'), 'round');
    makeLink(join(path, 'nowhere'), 'nothing/there');
    for (const way of [
      '',
      'nothing',
      'app',
      'app/below',
      'round',
      'site/round',
      'site/nowhere',
      'a'.repeat(256),
    ]) {
      const typed = way === '' ? way : join(place.dir, way);
      const codeOf = (open: () => number): unknown => {
        try {
          return fs.closeSync(open());
        } catch (error) {
          return (error as { code?: string }).code;
        }
      };
      expect(
        codeOf(() => openDirectory(typed)),
        way,
      ).toBe(codeOf(() => fs.openSync(typed, O_PATH | fs.constants.O_DIRECTORY)));
    }
  });

  test('a user who is not root follows what he can', (ctx) => {
    needRoot(ctx);
    const { path, victim } = makeSite();
    const link = makeLink(join(path, 'link'), victim);
    asUser(NOBODY, () => expectToLeadTo(link, victim));
  });

  test('a pool with all its files behind links of its user, named from where he is', async (ctx) => {
    needRoot(ctx);
    const { path, place } = makeSite();
    makeDirectory(join(path, 'releases'), NOBODY);
    const release = makeDirectory(join(path, 'releases/42'), NOBODY);
    makeLink(join(path, 'current'), 'releases/42');
    makeLink(join(path, 'absolute'), release);
    const files = [
      '-P',
      'absolute/app.pid',
      '--log',
      'current/app.log',
      '--worker-pid-file',
      'current/w%i.pid',
    ];
    const options = ['-s', 'current/app.sock', '--state-dir', place.stateDir, '-u', 'nobody', ...files];
    const pool = await pools.startPool([...options, '--', place.app, 'serve'], { cwd: path });
    await pools.visit({ path: join(release, 'app.sock') });
    expect(fs.readFileSync(join(release, 'app.pid'), 'utf8')).toBe(String(pool.pid));
    expect(fs.readdirSync(release).toSorted()).toEqual(['app.log', 'app.pid', 'app.sock', 'w0.pid']);
    process.kill(pool.pid, 'SIGTERM');
    await pools.expectNoProcess(place);
    expect(fs.readdirSync(release)).toEqual(['app.log']);
  });

  test('a chroot behind a link of its owner', async (ctx) => {
    needRoot(ctx);
    const { path, place } = makeSite();
    makeDirectory(join(path, 'jail'), NOBODY);
    const jail = makeLink(join(path, 'root'), 'jail');
    const options = ['-c', jail, '-s', '/app.sock', '--state-dir', place.stateDir, '-u', 'nobody'];
    const result = await runCommand(pools.oursPath, [...options, '--', '/missing'], { cwd: place.dir });
    // Refused only once all of root's work is done.
    expect(result.status).toBe(2);
    expect(fs.readdirSync(join(path, 'jail'))).toEqual([]);
  });
});

const mostTries = 3000;

test(
  'a link that is switched while root binds leaves nothing in a directory of root',
  { timeout: 60_000 },
  async (ctx) => {
    needRoot(ctx);
    const { path, victim } = makeSite();
    const own = makeDirectory(join(path, 'own'), NOBODY);
    ctx.skip(!tellsFiles(join(path, 'probe.sock')), 'needs the capability CAP_NET_ADMIN');
    const link = makeLink(join(path, 'link'), own);
    const switcher = spawn(process.execPath, ['-e', switchForEver, link, own, victim], { stdio: 'ignore' });
    const isOver = new Promise((resolve) => switcher.once('exit', resolve));
    await waitFor('the first switch', () => fs.existsSync(`${link}.switched`));
    const outcomes = { bound: 0, refused: 0, caught: 0 };
    try {
      for (
        let tries = 0;
        tries < mostTries && Math.min(outcomes.bound, outcomes.refused, outcomes.caught) < 3;
        tries++
      ) {
        outcomes[bindOnce(join(link, 'app.sock'))]++;
        expect(fs.readdirSync(victim)).toEqual([]);
      }
    } finally {
      switcher.kill('SIGKILL');
      await isOver;
    }
    expect(outcomes.bound + outcomes.refused).toBeGreaterThan(0);
  },
);

/** Whether the kernel hands out the file of a socket (unix(7)). */
function tellsFiles(path: string): boolean {
  const { descriptor, file } = listenOn({ kind: 'unix', path }, 1, owner);
  const found = openBoundFile(descriptor);
  for (const open of [descriptor, found, file?.at.directory]) if (open !== undefined) fs.closeSync(open);
  return found !== undefined;
}

const owner = { uid: NOBODY, gid: NOBODY, mode: 0o660, trustedUids: [NOBODY], proc: undefined };

/** As nobody, who need not be able to run this Node: it may be below /root. */
const switchForEver = `
process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});
const { symlinkSync, renameSync, writeFileSync } = require('node:fs');
const [link, ...targets] = process.argv.slice(1);
for (let turn = 0; ; turn++) {
  symlinkSync(targets[turn % 2], link + '.new');
  renameSync(link + '.new', link);
  if (turn === 2) writeFileSync(link + '.switched', '');
}`;

/** Caught: it was bound elsewhere than the path was walked to. */
function bindOnce(path: string): 'bound' | 'refused' | 'caught' {
  try {
    const { descriptor, file } = listenOn({ kind: 'unix', path }, 1, owner);
    libc.close(descriptor);
    if (file) libc.unlinkat(file.at.directory, file.at.name, 0);
    if (file) libc.close(file.at.directory);
    return 'bound';
  } catch (error) {
    return (error as Error).message.includes('was replaced by somebody else') ? 'caught' : 'refused';
  }
}
