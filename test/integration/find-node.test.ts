// Which Node the commands take, and what they say where none is new enough.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { missing, makeTempDir, runCommand, type RunResult } from '../helpers/machine/index.ts';
import { oursPath } from '../helpers/pool/index.ts';

const checkout = dirname(dirname(oursPath));
const least = 'Node.js 22.15 or later (of 23: 23.7 or later) is needed';

/** A program that knows its version, says where it is, and refuses every option as an old Node does. */
function makeNode(path: string, version: string): string {
  mkdirSync(dirname(path), { recursive: true });
  const script = [
    '#!/bin/sh',
    `echo "$0 $1" >>"\${CALLS:-/dev/null}"`,
    // Even --version fails with options that it does not know.
    '[ -z "$NODE_OPTIONS" ] || exit 9',
    `[ "$1" = --version ] && echo ${version} && exit`,
    'echo "this is $0" >&2; exit 9',
  ];
  writeFileSync(path, `${script.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

interface Installation {
  readonly dir: string;
  /** Where npm keeps the package. */
  readonly package: string;
  /** What npm links to. */
  readonly command: string;
}

/** As npm installs into a prefix; without a Node of its own. */
function install(): Installation {
  const dir = makeTempDir();
  const home = join(dir, 'prefix/lib/node_modules/spawn-fcgi');
  for (const part of ['bin', 'dist']) cpSync(join(checkout, part), join(home, part), { recursive: true });
  const command = join(dir, 'prefix/bin/spawn-fcgi');
  mkdirSync(dirname(command));
  for (const name of ['spawn-fcgi', 'spawn-fcgictl'])
    symlinkSync(`../lib/node_modules/spawn-fcgi/bin/${name}`, join(dirname(command), name));
  return { dir, package: home, command };
}

/** Calls it with these directories before those of the system in PATH. */
function call(
  command: string,
  path: readonly string[],
  args: readonly string[] = ['-v'],
  env: Record<string, string> = {},
): Promise<RunResult> {
  return runCommand(command, args, {
    cwd: '/',
    env: { PATH: [...path, '/usr/bin', '/bin'].join(':'), ...env },
  });
}

test.for([
  ['v20.20.2', 'spawn-fcgi', ['-v']],
  ['v20.20.2', 'spawn-fcgi', ['-s', 'a.sock', '--', './app']],
  ['v20.20.2', 'spawn-fcgi', ['-n', '-s', 'a.sock', '--', './app']],
  ['v22.14.0', 'spawn-fcgictl', ['status']],
  ['v23.0.0', 'spawn-fcgi', ['-s', 'a.sock', '--', './app']],
  ['v23.6.1', 'spawn-fcgi', ['-v']],
] as const)(
  '%s alone is refused in one line, with a way to a newer one: %s %j',
  async ([version, name, args], ctx) => {
    needNamespace(ctx);
    const { dir, command } = install();
    const node = makeNode(join(dir, 'old/node'), version);
    for (const env of [{}, { NODE_OPTIONS: '--bogus' }]) {
      const result = await inPlaceOf(join(dirname(command), name), [dirname(node)], args, env);
      expect(result).toMatchObject({ status: 255, stdout: '' });
      const [first = '', second = ''] = result.stderr.split('\n');
      expect(first).toContain(`${name}: ${least}, ${node} is ${version}`);
      expect(second).toContain(`${name}: hint: npm install --global --prefix /opt/node node@24 `);
    }
  },
);

/** Usual places of the test's own. */
function needNamespace(ctx: TestContext): void {
  const reason = missing({ root: true, commands: ['unshare'] });
  ctx.skip(reason !== undefined, reason);
}

/** With empty usual places, as root in a mount namespace; `places` become Nodes there. */
function inPlaceOf(
  command: string,
  path: readonly string[],
  args: readonly string[] = ['-v'],
  env: Record<string, string> = {},
  places: readonly string[] = [],
): Promise<RunResult> {
  const dir = makeTempDir();
  const lines = [
    'for place in /usr/local /opt /usr/lib/nodejs; do [ ! -d $place ] || mount -t tmpfs none $place; done',
    `[ ! -e /usr/bin/node ] || mount --bind ${makeNode(join(dir, 'hidden'), 'v1.0.0')} /usr/bin/node`,
    ...places,
    `exec env -i PATH=${[...path, '/usr/bin', '/bin'].join(':')} "$@"`,
  ];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return runCommand(
    'unshare',
    ['--mount', 'sh', '-ec', lines.join('\n'), 'sh', ...variables, command, ...args],
    {
      cwd: '/',
    },
  );
}

test.for(['v22.15.0', 'v23.7.0', 'v24.0.0', 'v30.1.0'])('%s is taken', async (version) => {
  const { dir, command } = install();
  const node = makeNode(join(dir, 'new/node'), version);
  const CALLS = join(dir, 'calls');
  expect((await call(command, [dirname(node)], ['-v'], { CALLS })).stderr).toContain(`this is ${node}\n`);
  expect(readFileSync(CALLS, 'utf8')).toBe(`${node} --version\n${node} --jitless\n`);
});

test.for(['spawn-fcgi', 'spawn-fcgictl'])('%s takes the first in PATH that is new enough', async (name) => {
  const { dir, command } = install();
  const path = [
    ['a', 'v18.20.4'],
    ['b', 'v24.1.0'],
    ['c', 'v25.0.0'],
  ] as const;
  const nodes = path.map(([at, version]) => makeNode(join(dir, at, 'node'), version));
  const result = await call(
    join(dirname(command), name),
    nodes.map((node) => dirname(node)),
    ['status'],
  );
  expect(result.stderr).toContain(`this is ${nodes[1]}\n`);
});

test('entries of PATH that depend on the working directory are not looked at', async () => {
  const { dir, command } = install();
  makeNode(join(dir, 'node'), 'v24.1.0');
  const good = makeNode(join(dir, 'good/node'), 'v24.1.0');
  const result = await runCommand(command, ['-v'], {
    cwd: dir,
    env: { PATH: `:.:${dirname(good)}:/usr/bin:/bin` },
  });
  expect(result.stderr).toContain(`this is ${good}\n`);
});

test('the one beside the command, as npm and nvm install both, comes before PATH', async () => {
  const { dir, command } = install();
  const beside = makeNode(join(dirname(command), 'node'), 'v24.1.0');
  const inPath = makeNode(join(dir, 'path/node'), 'v24.2.0');
  const result = await call(command, [dirname(inPath)]);
  expect(result.stderr).toContain(`this is ${beside}\n`);
});

test('a link from elsewhere to the command leads to the one beside it', async () => {
  const { dir, command } = install();
  const beside = makeNode(join(dirname(command), 'node'), 'v24.1.0');
  mkdirSync(join(dir, 'sbin'));
  for (const name of ['spawn-fcgi', 'spawn-fcgictl', 'renamed']) {
    const link = join(dir, 'sbin', name);
    symlinkSync(`../prefix/bin/${name === 'renamed' ? 'spawn-fcgi' : name}`, link);
    const result = await call(link, [], ['status']);
    expect(result.stderr).toMatch(new RegExp(`^this is ${join(dir, 'prefix')}.*/bin/node\n`));
  }
  expect(existsSync(beside)).toBe(true);
});

test('the package’s own comes before the one beside the command, and its version is known without running it', async () => {
  const { dir, command, package: home } = install();
  makeNode(join(dirname(command), 'node'), 'v24.1.0');
  const own = makeNode(join(home, 'node_modules/node/bin/node'), 'v24.3.0');
  writeFileSync(
    join(home, 'node_modules/node/package.json'),
    '{\n  "name": "node",\n  "version": "24.3.0"\n}\n',
  );
  mkdirSync(join(home, 'node_modules/.bin'));
  symlinkSync('../node/bin/node', join(home, 'node_modules/.bin/node'));
  const CALLS = join(dir, 'calls');
  for (const path of [command, join(home, 'bin/spawn-fcgi')]) {
    expect((await call(path, [], ['-v'], { CALLS })).stderr).toContain('/node_modules/.bin/node\n');
    expect(readFileSync(CALLS, 'utf8')).not.toContain('--version');
  }
  expect(existsSync(own)).toBe(true);
});

test('a new Node with its headers beside it is not run to ask for its version, an older one’s prove nothing', async () => {
  const { dir, command } = install();
  const node = makeNode(join(dir, 'new/bin/node'), 'v24.1.0');
  const header = join(dir, 'new/include/node/node_version.h');
  mkdirSync(dirname(header), { recursive: true });
  const CALLS = join(dir, 'calls');
  for (const [major, asked] of [
    [24, false],
    [20, true],
  ] as const) {
    writeFileSync(header, `#ifndef X\n#define NODE_MAJOR_VERSION ${major}\n#define NODE_MINOR_VERSION 20\n`);
    expect((await call(command, [dirname(node)], ['-v'], { CALLS })).stderr).toContain(`this is ${node}\n`);
    expect(readFileSync(CALLS, 'utf8').includes('--version')).toBe(asked);
  }
});

test('a PATH of cron that has an old one does not hide a good one in the usual places', async (ctx) => {
  needNamespace(ctx);
  const { dir, command } = install();
  const old = makeNode(join(dir, 'old/node'), 'v18.20.4');
  const good = makeNode(join(dir, 'good'), 'v24.1.0');
  const stale = makeNode(join(dir, 'stale'), 'v20.1.0');
  const result = await inPlaceOf(command, [dirname(old)], ['-v'], {}, [
    'mkdir -p /usr/local/bin /opt/node-v24/bin',
    `cp ${stale} /usr/local/bin/node`,
    `cp ${good} /opt/node-v24/bin/node`,
  ]);
  expect(result.stderr).toContain('this is /opt/node-v24/bin/node\n');
});

test('root takes from the usual places only what is root’s, and says so', async (ctx) => {
  needNamespace(ctx);
  const { dir, command } = install();
  const good = makeNode(join(dir, 'good'), 'v24.1.0');
  const result = await inPlaceOf(command, [], ['-v'], {}, [
    'mkdir -p /opt/node-a/bin /opt/node-b/bin',
    `cp ${good} /opt/node-a/bin/node; chown 1000 /opt/node-a/bin/node`,
    `cp ${good} /opt/node-b/bin/node; chown 1000 /opt/node-b/bin`,
  ]);
  expect(result.status).toBe(255);
  expect(result.stderr).toContain(`spawn-fcgi: ${least}`);
  expect(result.stderr).toContain(
    '/opt/node-a/bin/node is not owned by root, /opt/node-b/bin/node is not owned by root\n',
  );
});

test('nvm’s, of the user who calls, is found in that home', async (ctx) => {
  needNamespace(ctx);
  const { dir, command } = install();
  for (const version of ['v20.1.0', 'v22.20.0', 'v24.1.0'])
    makeNode(join(dir, `.nvm/versions/node/${version}/bin/node`), version);
  const result = await inPlaceOf(command, [], ['-v'], { HOME: dir });
  expect(result.stderr).toContain(`this is ${dir}/.nvm/versions/node/v22.20.0/bin/node\n`);
});

test.for(['dash', 'bash', 'busybox sh'])(
  '%s finds it, too, without a path before the script',
  async (shell, ctx) => {
    const [program = '', ...first] = shell.split(' ');
    const reason = missing({ commands: [program] });
    ctx.skip(reason !== undefined, reason);
    const { dir, package: home } = install();
    const node = makeNode(join(dir, 'new/node'), 'v24.1.0');
    for (const name of ['spawn-fcgi', 'spawn-fcgictl']) {
      const result = await runCommand(program, [...first, name, 'status'], {
        cwd: join(home, 'bin'),
        env: { PATH: `${dirname(node)}:/usr/bin:/bin` },
      });
      expect(result.stderr).toContain(`this is ${node}\n`);
    }
  },
);

test("the guard's arguments are none for users", async () => {
  for (const option of ['--undo-start', '--adjust-socket']) {
    const result = await runCommand(oursPath, [option], {
      env: { SPAWN_FCGI_GUARD: '1', PATH: '/usr/bin:/bin' },
    });
    expect(result.status).toBe(255);
    expect(result.stderr).toContain(`unrecognized option '${option}'`);
  }
});
