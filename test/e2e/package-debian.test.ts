// The .deb on a Debian without Node: installed as the page says, used, upgraded and removed while pools run, beside Debian's
// own spawn-fcgi, and where the disk is full in the middle.
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as debian from '../helpers/debian/index.ts';
import { isRoot, waitFor } from '../helpers/machine/index.ts';
import { readPools } from '../helpers/pool/index.ts';
import { askEcho, startRequests, type RequestLoad } from '../helpers/web/index.ts';

const ours = '/usr/lib/spawn-fcgi/bin/spawn-fcgi';
const theirs = '/usr/bin/spawn-fcgi.lighttpd';
/** Root's first pool of the tests. */
const start = 'spawn-fcgi -s /run/a.sock -u www-data -P /run/a.pid -F 2 --settle 100ms --log /var/log/a.log';
const app = '-- /usr/local/bin/app';

let packages: debian.MadePackages;

beforeAll(() => {
  if (isRoot) packages = debian.makePackages();
}, 120_000);

/** Debian comes once, by debootstrap. */
const patient = { timeout: 360_000 };

async function poolOf(machine: debian.DebianMachine): Promise<ReturnType<typeof readPools>[number]> {
  const [pool] = readPools(await machine.ok('spawn-fcgictl status --json'));
  if (pool === undefined) throw new Error('there is no pool');
  return pool;
}

/** What is in /usr/bin under the name, and what the two of them are to update-alternatives. */
async function standing(machine: debian.DebianMachine): Promise<unknown> {
  const shown = await machine.ok(
    'spawn-fcgi -v; update-alternatives --list spawn-fcgi; dpkg-divert --list "*spawn-fcgi"',
  );
  return {
    version: /^spawn-fcgi v(\S+)/.exec(shown)?.[1],
    alternatives: shown.split('\n').filter((line) => line.startsWith('/')),
    isDiverted: shown.includes(`diversion of /usr/bin/spawn-fcgi to ${theirs} by spawn-fcgi-node`),
  };
}

async function expectNoneLost(load: RequestLoad): Promise<void> {
  const { lost, answered } = await load.stop();
  expect(lost).toEqual([]);
  expect(answered).toBeGreaterThan(100);
}

test(
  'two commands have a pool running on a Debian without Node; removed and purged, nothing is left',
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    // The test has no network for PHP: another FastCGI program has its name.
    machine.bring(debian.compileApp(), '/usr/bin/php-cgi');
    const list =
      'find / -xdev -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -path /var/log -prune -o -path /var/cache -prune -o -print | sort';
    expect(debian.typed('debian').trim().split('\n').slice(1)).toEqual(debian.readmeCommands());
    const before = await machine.ok(`! command -v node; ${list}`);
    expect(await machine.ok(debian.typed('debian'))).toMatch(
      /^spawn-fcgi: child spawned successfully: PID: \d+$/m,
    );

    expect(await askEcho({ socketPath: join(machine.root, 'run/php.sock') })).toMatchObject({ release: '-' });
    const shown =
      await machine.ok(`pid=$(cat /run/php.pid); cat /proc/$pid/comm; tr '\\0' ' ' </proc/$pid/cmdline; echo
    ps=$(readlink /proc/$pid/exe); echo "$ps"; spawn-fcgictl ping /run/php.pid; spawn-fcgictl metrics | grep ^spawn_fcgi_ | head -1`);
    expect(shown).toMatch(/^php-cgi\n\/usr\/bin\/php-cgi spawn-fcgi -s \/run\/php\.sock -u www-data /);
    expect(shown).toContain('\n/usr/lib/spawn-fcgi/node_modules/node/bin/node\n');
    await machine.ok(`spawn-fcgictl doctor /run/php.pid
    spawn-fcgi --replace -s /run/php.sock -u www-data -P /run/php.pid -F 2 --settle 100ms -- /usr/bin/php-cgi
    spawn-fcgictl reload /run/php.pid
    spawn-fcgictl stop /run/php.pid`);
    // A pager is not there: what man(1) would find is.
    expect(
      await machine.ok(
        'for page in man1/spawn-fcgi.1 man1/spawn-fcgictl.1 man5/spawn-fcgi-events.5; do zcat /usr/share/man/$page.gz | grep "^.TH"; done',
      ),
    ).toMatch(/^\.TH SPAWN\\-FCGI 1 .*\n\.TH SPAWN\\-FCGICTL 1 .*\n\.TH SPAWN\\-FCGI\\-EVENTS 5 .*\n$/);
    expect(
      await machine.ok('grep -h ^Exec /usr/lib/systemd/system/spawn-fcgi*; ls /etc/systemd/system/*.wants'),
    ).not.toMatch(/\/local\/|spawn-fcgi@.*wants/);
    await machine.ok(`${debian.typed('remove').replace('remove', 'remove -y')}dpkg --purge spawn-fcgi-node`);
    expect(await machine.ok(list)).toBe(before);
  },
);

test(
  "Debian's spawn-fcgi is an alternative, whichever is installed first, and gets its name back",
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    const both = { version: '2.0.0', alternatives: [theirs, ours], isDiverted: true };
    const installOurs = 'dpkg -i /srv/spawn-fcgi-node_2.0.0-1*.deb';
    await machine.ok(`dpkg -i /srv/spawn-fcgi.deb; ${installOurs}`);
    expect(await standing(machine)).toEqual(both);
    const switched = await machine.ok(debian.typed('beside'));
    expect([...switched.matchAll(/^spawn-fcgi v(\S+)/gm)].map(([, version]) => version)).toEqual([
      '1.6.4',
      '2.0.0',
    ]);
    expect(await machine.ok('zcat /usr/share/man/man1/spawn-fcgi.1.gz | grep -c supervis')).not.toBe('0\n');
    await machine.ok('dpkg -r spawn-fcgi-node');
    expect(
      await machine.ok('dpkg -V spawn-fcgi; spawn-fcgi -v; update-alternatives --list spawn-fcgi || true'),
    ).toMatch(/^spawn-fcgi v1\.6.*\n.*no alternatives for spawn-fcgi\n$/);

    await machine.ok(`dpkg -P spawn-fcgi-node spawn-fcgi; ${installOurs}; dpkg -i /srv/spawn-fcgi.deb`);
    expect(await standing(machine)).toEqual(both);
    // A choice outlives an upgrade of either, and the end of its program not.
    await machine.ok(
      `update-alternatives --set spawn-fcgi ${theirs}; dpkg -i /srv/spawn-fcgi-node_2.0.0-2*.deb /srv/spawn-fcgi.deb`,
    );
    expect(await standing(machine)).toEqual({ ...both, version: '1.6.4' });
    await machine.ok('dpkg -r spawn-fcgi');
    expect(await standing(machine)).toEqual({ ...both, alternatives: [ours] });
    // In one go, too.
    await machine.ok(
      'dpkg -i /srv/spawn-fcgi.deb; dpkg -P spawn-fcgi spawn-fcgi-node; ! ls /usr/bin/spawn-fcgi* /usr/lib/spawn-fcgi',
    );
    // Who diverted it by hand before us has it so afterwards.
    await machine.ok(`dpkg -i /srv/spawn-fcgi.deb
      dpkg-divert --local --rename --divert ${theirs} --add /usr/bin/spawn-fcgi
      update-alternatives --install /usr/bin/spawn-fcgi spawn-fcgi /usr/local/bin/app 60
      ${installOurs}; dpkg -P spawn-fcgi-node`);
    expect(await machine.ok('update-alternatives --list spawn-fcgi; readlink -f /usr/bin/spawn-fcgi')).toBe(
      `${theirs}\n/usr/local/bin/app\n/usr/local/bin/app\n`,
    );
  },
);

test(
  'a pool goes on through an upgrade without losing a request, and the command that is offered takes it over',
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    await machine.ok(`dpkg -i /srv/spawn-fcgi-node_2.0.0-1*.deb; ${start} ${app}`);
    const old = await poolOf(machine);
    const target = { socketPath: join(machine.root, 'run/a.sock') };
    const load = startRequests(target, 2);
    const upgraded = await machine.ok('dpkg -i /srv/spawn-fcgi-node_2.0.0-2*.deb');
    const [, offered] =
      /this one takes over, without losing a request, by\n {2}PID \d+: (.*)\n/.exec(upgraded) ?? [];
    expect(offered).toBe(`${start.replace('spawn-fcgi', 'spawn-fcgi --replace')} ${app}`);
    expect(await machine.ok(`readlink /proc/${old.pid}/exe`)).toMatch(/\(deleted\)\n$/);

    // All that the old supervisor does by itself and is asked for, by the new spawn-fcgictl.
    await machine.ok(`spawn-fcgictl reload /run/a.pid; spawn-fcgictl scale /run/a.pid 3; spawn-fcgictl restart /run/a.pid
    spawn-fcgictl scale /run/a.pid 2; spawn-fcgictl logs /run/a.pid | grep -q reload; spawn-fcgictl try /run/a.pid
    spawn-fcgictl metrics; spawn-fcgictl doctor /run/a.pid; spawn-fcgictl ping /run/a.pid`);
    await expectNoneLost(load);
    const [victim] = (await poolOf(machine)).workers;
    await machine.ok(`kill -9 ${victim?.pid}`);
    await waitFor('the successor', async () =>
      (await poolOf(machine)).workers.some(({ slot, pid }) => slot === victim?.slot && pid !== victim.pid),
    );
    expect(await poolOf(machine)).toMatchObject({ pid: old.pid, phase: 'serving' });

    const further = startRequests(target, 2);
    await machine.ok(String(offered));
    expect((await poolOf(machine)).pid).not.toBe(old.pid);
    // Back to the older one, and the pool with it.
    expect(await machine.ok('dpkg -i /srv/spawn-fcgi-node_2.0.0-1*.deb')).toContain('spawn-fcgi --replace');
    await machine.ok(String(offered));
    await expectNoneLost(further);
    await machine.ok('spawn-fcgictl stop /run/a.pid');
  },
);

test(
  'a pool goes on when the package is removed, is named, and ends by its PID file',
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    await machine.ok(`dpkg -i /srv/spawn-fcgi-node_2.0.0-1*.deb; ${start} ${app}`);
    const { pid, workers } = await poolOf(machine);
    const follower = await machine.ok(`exec >/dev/null 2>&1
      spawn-fcgictl events /run/a.pid --exec 'echo $SPAWN_FCGI_EVENT >>/tmp/events' & echo $! >/tmp/follower`);
    expect(follower).toBe('');
    await waitFor('the follower', () =>
      machine
        .ok('ls -l /proc/$(cat /tmp/follower)/fd | grep -c socket: || true')
        .then((count) => count !== '0\n'),
    );
    const removed = await machine.ok('dpkg -r spawn-fcgi-node');
    expect(removed).toContain(`\n  PID ${pid}: ${start} ${app}\n`);
    await machine.ok(`! ls /usr/lib/spawn-fcgi; kill -9 ${workers.map((worker) => worker.pid).join(' ')}`);
    const target = { socketPath: join(machine.root, 'run/a.sock') };
    const old = new Set(workers.map((worker) => worker.pid));
    const successors = await waitFor('the successors', async () => {
      const children = (await machine.ok(`cat /proc/${pid}/task/*/children`)).trim().split(' ').map(Number);
      // Those that were killed are among them until they are reaped.
      return children.length === 2 && !children.some((child) => old.has(child)) && children;
    });
    expect(successors).toContain((await askEcho(target)).pid);
    await machine.ok(`kill -HUP ${pid}`);
    await waitFor('the reload', async () =>
      (await machine.ok('cat /var/log/a.log')).includes('generation 2'),
    );
    await waitFor('the command of the event', async () =>
      (await machine.ok('cat /tmp/events || true')).includes('reload-finished'),
    );
    await machine.ok(
      `kill "$(cat /run/a.pid)"; while [ -e /proc/${pid} ]; do read -t 0.05 <><(:) || true; done`,
    );
    await expect(askEcho(target)).rejects.toThrow(/ECONNREFUSED|ENOENT/);
  },
);

test(
  'a full disk in the middle of an installation or an upgrade leaves what was there',
  patient,
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    await machine.ok(
      'dpkg -i /srv/spawn-fcgi.deb; mkdir -p /usr/lib/spawn-fcgi; mount -t tmpfs -o size=60M tmpfs /usr/lib/spawn-fcgi',
    );
    expect(await machine.run('dpkg -i /srv/spawn-fcgi-node_2.0.0-1*.deb')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('No space left on device') as string,
    });
    // As if nothing had been tried.
    expect(
      await machine.ok('dpkg -V spawn-fcgi; dpkg-divert --list "*spawn-fcgi*"; spawn-fcgi -v | head -1'),
    ).toMatch(/^spawn-fcgi v1\.6/);
    // Room for one, not for the next beside it.
    await machine.ok(
      'mount -o remount,size=160M /usr/lib/spawn-fcgi; dpkg -i /srv/spawn-fcgi-node_2.0.0-1*.deb',
    );
    expect(await machine.run('dpkg -i /srv/spawn-fcgi-node_2.0.0-2*.deb')).toMatchObject({ status: 1 });
    expect(await standing(machine)).toEqual({
      version: '2.0.0',
      alternatives: [theirs, ours],
      isDiverted: true,
    });
    expect(
      await machine.ok(
        `dpkg -V spawn-fcgi-node; dpkg-query -W spawn-fcgi-node; ${start} ${app}; spawn-fcgictl stop /run/a.pid`,
      ),
    ).toMatch(/^spawn-fcgi-node\t2\.0\.0-1\n/);
  },
);
