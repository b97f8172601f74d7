// The tarball on a Debian without Node, wherever it is unpacked, and that both packages have the same bytes whoever makes them.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as debian from '../helpers/debian/index.ts';
import * as machines from '../helpers/machine/index.ts';
import { askEcho } from '../helpers/web/index.ts';

const project = join(import.meta.dirname, '../..');
let packages: debian.MadePackages;

beforeAll(() => {
  if (machines.isRoot) packages = debian.makePackages();
}, 120_000);

/** Debian comes once, by debootstrap. */
const patient = { timeout: 360_000 };

test(
  'the tarball runs where it is unpacked, moved, of a user with umask 077, and gone',
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    expect(await machine.ok(`umask 077\n${debian.typed('tarball')}`)).toMatch(/^spawn-fcgi v2\./);
    await machine.ok(`mv /opt/spawn-fcgi-2.0.0-linux-x64 /srv/elsewhere; ln -sfn /srv/elsewhere /opt/spawn-fcgi
    spawn-fcgi -s /run/root.sock -u www-data -P /run/root.pid --settle 100ms --log /tmp/root.log -- /usr/local/bin/app
    spawn-fcgictl reload /run/root.pid; spawn-fcgictl stop /run/root.pid`);
    const as = 'setpriv --reuid nobody --regid nogroup --clear-groups';
    await machine.ok(`umask 077; cd /tmp; ${as} tar -xzf /srv/spawn-fcgi-2.0.0-linux-x64.tar.gz; chmod 1777 /tmp
    ${as} ./spawn-fcgi-2.0.0-linux-x64/bin/spawn-fcgi -s /tmp/a.sock -P /tmp/a.pid --log /tmp/a.log -- /usr/local/bin/app
    rm -r spawn-fcgi-2.0.0-linux-x64; kill -9 $(cat /proc/$(cat /tmp/a.pid)/task/*/children)`);
    const target = { socketPath: join(machine.root, 'tmp/a.sock') };
    await machines.waitFor('the successor', async () =>
      (await machine.ok('cat /tmp/a.log')).includes('restarting'),
    );
    expect(await askEcho(target)).toMatchObject({ release: '-' });
    await machine.ok('/srv/elsewhere/bin/spawn-fcgictl stop /tmp/a.pid');
  },
);

/** What goes into them, as a copy of another user's. */
function copyProject(): string {
  const copy = join(machines.makeTempDir(), 'copy');
  const modules = [
    'commander',
    'pidusage',
    'koffi',
    '@koromix',
    `node/node_modules/node-linux-${process.arch}`,
  ];
  const parts = [
    'bin',
    'dist',
    'docs',
    'src/package',
    'package.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
  ];
  for (const part of [...parts, ...modules.map((name) => join('node_modules', name))]) {
    fs.mkdirSync(dirname(join(copy, part)), { recursive: true });
    fs.cpSync(join(project, part), join(copy, part), { recursive: true });
  }
  return copy;
}

test(
  'whoever makes them, wherever, with whatever umask, the packages have the same bytes',
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    machines.needCommands(ctx, 'chown');
    const copy = copyProject();
    const output = machines.makeTempDir();
    fs.chmodSync(dirname(copy), 0o755);
    fs.chownSync(output, machines.NOBODY, machines.NOBODY);
    const node = join(copy, `node_modules/node/node_modules/node-linux-${process.arch}/bin/node`);
    const made = await machines.runCommand(
      node,
      [join(copy, 'src/package/package.ts'), '--quick', '--output', output],
      {
        cwd: '/',
        uid: machines.NOBODY,
        gid: machines.NOBODY,
        umask: 0o077,
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'Asia/Tokyo', SOURCE_DATE_EPOCH: debian.sourceDate },
        timeoutMs: 120_000,
      },
    );
    expect(made, made.stderr).toMatchObject({ status: 0 });
    const own = packages.all.filter((file) => !file.includes('-2_'));
    expect(own.map(digest)).toEqual(own.map((file) => digest(join(output, basename(file)))));
    expect(fs.readdirSync(output)).toHaveLength(2);
  },
);

function digest(path: string): string {
  return createHash('sha256').update(fs.readFileSync(path)).digest('hex');
}
