// Which Node the command takes, and the one line for an older one.
import { expect, test } from 'vitest';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { oursPath } from '../helpers/command-under-test.ts';
import { makeTempDir } from '../helpers/temp-dir.ts';
import { runCommand, type RunResult } from '../helpers/run-command.ts';

interface Fake {
  readonly run: (args: readonly string[], env?: Record<string, string>) => Promise<RunResult>;
  /** How it was called. */
  readonly calls: () => string[];
}

/** A Node in PATH that knows its version, and refuses every other option as an old one does. */
function makeNode(version: string, headers?: readonly [major: number, minor: number]): Fake {
  const dir = makeTempDir();
  const [node, log, link] = [join(dir, 'bin/node'), join(dir, 'calls'), join(dir, 'spawn-fcgi')];
  mkdirSync(join(dir, 'bin'));
  const script = [
    '#!/bin/sh',
    `echo "$1" >>'${log}'`,
    // Even --version fails with options that it does not know.
    '[ -z "$NODE_OPTIONS" ] || exit 9',
    `[ "$1" = --version ] && echo ${version} && exit`,
    'echo "node: bad option: $1" >&2; exit 9',
  ];
  writeFileSync(node, `${script.join('\n')}\n`);
  chmodSync(node, 0o755);
  if (headers) {
    mkdirSync(join(dir, 'include/node'), { recursive: true });
    const text = `#ifndef X\n#define NODE_MAJOR_VERSION ${headers[0]}\n#define NODE_MINOR_VERSION ${headers[1]}\n`;
    writeFileSync(join(dir, 'include/node/node_version.h'), text);
  }
  // Through a link the package's own Node is not looked for.
  symlinkSync(oursPath, link);
  const PATH = `${join(dir, 'bin')}:/usr/bin:/bin`;
  return {
    run: (args, env = {}) => runCommand(link, args, { cwd: dir, env: { PATH, ...env } }),
    calls: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : []),
  };
}

test.for([
  ['v20.20.2', ['-v']],
  ['v20.20.2', ['-s', 'a.sock', '--', './app']],
  ['v20.20.2', ['-n', '-s', 'a.sock', '--', './app']],
  ['v22.14.0', ['-v']],
  ['v23.0.0', ['-s', 'a.sock', '--', './app']],
  ['v23.6.1', ['-v']],
] as const)('%s is refused in one line: %j', async ([version, args]) => {
  for (const env of [{}, { NODE_OPTIONS: '--bogus' }]) {
    const result = await makeNode(version).run(args, env);
    expect(result).toMatchObject({ status: 255, stdout: '' });
    expect(result.stderr).toMatch(
      new RegExp(
        `^spawn-fcgi: Node\\.js 22\\.15 or later \\(of 23: 23\\.7 or later\\) is needed, .* is ${version}\n$`,
      ),
    );
  }
});

test.for(['v22.15.0', 'v23.7.0', 'v24.0.0', 'v30.1.0'])('%s is taken', async (version) => {
  const node = makeNode(version);
  expect((await node.run(['-v'])).stderr).toContain('bad option: --disable-sigusr1');
  expect(node.calls()).toEqual(['--version', '--disable-sigusr1']);
});

test('a new Node with its headers beside it is not run to ask for its version', async () => {
  const node = makeNode('v24.1.0', [24, 1]);
  await node.run(['-v']);
  expect(node.calls()).toEqual(['--disable-sigusr1']);
});

test('headers of an older Node prove nothing', async () => {
  const node = makeNode('v24.1.0', [20, 20]);
  await node.run(['-v']);
  expect(node.calls()).toEqual(['--version', '--disable-sigusr1']);
});

test("the guard's arguments are none for users", async () => {
  for (const option of ['--undo-start', '--adjust-socket']) {
    const result = await runCommand(oursPath, [option], {
      env: { SPAWN_FCGI_GUARD: '1', PATH: '/usr/bin:/bin' },
    });
    expect(result.status).toBe(255);
    expect(result.stderr).toContain(`unrecognized option '${option}'`);
  }
});
