// What the .deb says of the pools that it leaves as they are: commands that an administrator can type as they stand.
import { beforeAll, expect, test } from 'vitest';
import * as debian from '../helpers/debian/index.ts';
import { isRoot } from '../helpers/machine/index.ts';

let packages: debian.MadePackages;

beforeAll(() => {
  if (isRoot) packages = debian.makePackages();
}, 120_000);

const install = (revision: number): string => `dpkg -i /srv/spawn-fcgi-node_2.0.0-${revision}*.deb`;
const deep = `/opt/${'deep/'.repeat(40)}`;
const start = (name: string, more: string): string =>
  `spawn-fcgi -s /run/pools/${name}.sock -P /run/pools/${name}.pid --log /dev/null ${more}`;
const pools: Record<string, string> = {
  blanks: start(
    'blanks',
    String.raw`-u www-data --env 'A=\n b' --env LIST=a, -- /usr/local/bin/app '' "it's"`,
  ),
  deep: start('deep', `-u www-data -F 1 -- ${deep}app 1`),
  lines: start('lines', `--env 'A=1\n2' -- /usr/local/bin/app`),
  replaced: start('replaced', '--replace -- /usr/local/bin/app --replace'),
};

test(
  'an upgrade offers commands that are whole, and of nobody but root; a removal names the same pools',
  { timeout: 360_000 },
  async (ctx) => {
    debian.needDebian(ctx);
    const machine = await debian.startDebian(packages);
    await machine.ok(`${install(1)}; useradd -m joe; mkdir -p -m 755 /run/pools ${deep}; cp /usr/local/bin/app ${deep}
      ${Object.values(pools).join('\n')}
      su joe -c 'spawn-fcgi -s /tmp/joe.sock -P /tmp/joe.pid --log /dev/null -- /usr/local/bin/app'`);
    const pidOf = async (file: string): Promise<string> => (await machine.ok(`cat ${file}`)).trim();
    const pids = await Promise.all(Object.keys(pools).map((name) => pidOf(`/run/pools/${name}.pid`)));
    const [blanks = '', deepOne = '', lines = '', replaced = ''] = pids;
    const joe = await pidOf('/tmp/joe.pid');
    const linesOf = (text: string): string[] =>
      text
        .split('\n')
        .filter((line) => /^ {2}PID /.test(line))
        .toSorted();
    const command = (name: string): string =>
      (pools[name] ?? '').replace('spawn-fcgi ', 'spawn-fcgi --replace ');
    const unknown = 'the command that started it, with --replace';
    const offered = linesOf(await machine.ok(install(2)));

    expect(offered).toEqual(
      [
        `  PID ${blanks}: ${command('blanks').replace(`"it's"`, String.raw`'it'\''s'`)}`,
        `  PID ${deepOne}: ${unknown}`,
        `  PID ${lines}: ${unknown}`,
        `  PID ${replaced}: ${pools['replaced']?.replace('spawn-fcgi ', 'spawn-fcgi --replace ').replace('--replace -- ', '-- ')}`,
        `  PID ${joe} of joe: ${unknown}`,
      ].toSorted(),
    );
    const typed = offered.find((line) => line.startsWith(`  PID ${blanks}:`)) ?? '';
    await machine.ok(typed.replace(/^ {2}PID \d+: /, ''));
    expect(await pidOf('/run/pools/blanks.pid')).not.toBe(blanks);

    const removed = linesOf(await machine.ok('dpkg -r spawn-fcgi-node'));
    expect(removed).toHaveLength(5);
    expect(removed).toContain(`  PID ${deepOne}: a command that is not known here`);
    expect(removed).toContain(`  PID ${replaced}: ${pools['replaced']?.replace('--replace -- ', '-- ')}`);
    await machine.ok('for file in /run/pools/*.pid /tmp/joe.pid; do kill "$(cat $file)"; done');
  },
);
