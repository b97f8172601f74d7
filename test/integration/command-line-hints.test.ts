// A command line that is hardly meant as it stands: the result is 1.6's, and a hint says what is meant instead.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import { needCommands, needRoot, runCommand } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const refusals: readonly {
  readonly name: string;
  readonly args: readonly string[];
  readonly line: string;
  readonly hint: string;
}[] = [
  {
    name: '-d meant for the program',
    args: ['-s', 'x', 'app', '-d', 'display_errors=1'],
    line: "chdir('display_errors=1') failed: No such file or directory",
    hint: ' -s x -- app -d display_errors=1',
  },
  {
    name: '-F meant for the program',
    args: ['-s', 'x', 'app', '-F', 'file'],
    line: "invalid number for -F: 'file'",
    hint: ' -s x -- app -F file',
  },
  {
    name: '-s in the notation of nginx',
    args: ['-s', 'unix:/none/x', '--', './app'],
    line: 'bind failed: No such file or directory',
    hint: "'unix:/none/x' is written -s /none/x",
  },
  {
    name: '-s that is a directory',
    args: ['-s', '.', '--', './app'],
    line: 'removing old socket failed: Is a directory',
    hint: '-s ./app.sock',
  },
  {
    name: '-s that ends in a slash',
    args: ['-s', './x/', '--', './app'],
    line: 'bind failed: No such file or directory',
    hint: 'ends in a slash',
  },
  {
    name: '-a in brackets',
    args: ['-a', '[::1]', '-p', '9000', '--', './app'],
    line: "'[::1]' is not a valid IP address",
    hint: '-a ::1 -p 9000',
  },
  {
    name: '-a with a port',
    args: ['-a', '127.0.0.1:9000', '--', './app'],
    line: 'no socket given (use either -p or -s)',
    hint: '-a 127.0.0.1 -p 9000',
  },
  {
    name: '-p with an address',
    args: ['-p', 'localhost:9000', '--', './app'],
    line: 'invalid port: 0',
    hint: '-a localhost -p 9000',
  },
  {
    name: '-P that is a directory',
    args: ['-s', 'x', '-P', '.', '--', './app'],
    line: "PID-file exists and isn't regular file: '.'",
    hint: '-P ./app.pid',
  },
  {
    name: '-P in a directory that is not there',
    args: ['-s', 'x', '-P', 'none/pid', '--', './app'],
    line: "opening PID-file 'none/pid' failed: No such file or directory",
    hint: "'none' does not exist",
  },
  {
    name: '--log in a directory that is not there',
    args: ['-s', 'x', '--log', 'none/log', '--', './app'],
    line: "opening log file 'none/log' failed: No such file or directory",
    hint: "'none' does not exist",
  },
  {
    name: '--output in a directory that is not there',
    args: ['-s', 'x', '--output', 'none/out', '--', './app'],
    line: "opening output file 'none/out' failed: No such file or directory",
    hint: "'none' does not exist",
  },
  {
    name: 'a command of spawn-fcgictl',
    args: ['reload', '/run/app.pid'],
    line: 'no socket given (use either -p or -s)',
    hint: 'spawn-fcgictl reload /run/app.pid',
  },
  {
    name: 'a Windows line end',
    args: ['-p', '9000\r'],
    line: 'invalid port: 9000',
    hint: 'Windows line ends',
  },
  {
    name: 'a dash of a word processor',
    args: ['–p', '9000', '–f', './app'],
    line: 'no socket given (use either -p or -s)',
    hint: 'typographic dash',
  },
];

test.for(refusals)('$name is refused as ever, and told', async ({ args, line, hint }) => {
  const place = pools.makePlace();
  const result = await runCommand(pools.oursPath, [...ownOptions(place), ...args], { cwd: place.dir });
  expect(result.status).toBe(255);
  expect(pools.withoutHints(result.stderr).replaceAll('\r', '')).toBe(`spawn-fcgi: ${line}`);
  expect(pools.hintsOf(result.stderr).join('\n')).toContain(hint);
});

test.for([String.raw`-\303\251`, String.raw`-S\377`, String.raw`-\342\202\254`])(
  'a letter of %s is quoted by the byte that 1.6 quotes',
  (letters, ctx) => {
    needCommands(ctx, pools.referencePath);
    const [own, old] = [pools.oursPath, pools.referencePath].map((command) => {
      const script = `exec "$0" "$(printf '${letters.replace('-', String.raw`\055`)}')"`;
      const { stderr } = spawnSync('/bin/sh', ['-c', script, command]);
      return /spawn-fcgi: (.*)\n/.exec(stderr.toString('latin1'))?.[1];
    });
    expect(own).toMatch(/^invalid option -- '[\xa0-\xff]'$/);
    expect(own).toBe(old);
  },
);

test('-u with a group behind a colon is told as two options', async (ctx) => {
  needRoot(ctx);
  const place = pools.makePlace();
  const args = [...ownOptions(place), '-s', 'x', '-u', 'nobody:nogroup', '--', './app'];
  const result = await runCommand(pools.oursPath, args, { cwd: place.dir });
  expect(pools.withoutHints(result.stderr)).toBe("spawn-fcgi: can't find user name nobody:nogroup");
  expect(pools.hintsOf(result.stderr)[0]).toContain('-u nobody -g nogroup');
});

describe('a start that succeeds', () => {
  test.for([
    [
      'an option of ours behind the program',
      (place: pools.Place) => ['-s', place.socket, place.app, '-b', '7'],
      '-b after',
    ],
    [
      '-s in the notation of TCP',
      (place: pools.Place) => ['-s', 'tcp:127.0.0.1:9', '--', place.app],
      '-a 127.0.0.1 -p 9',
    ],
    [
      '-s with an abstract name',
      (place: pools.Place) => ['-s', '@x', '--', place.app],
      'not an abstract socket',
    ],
    [
      '-f beside a program',
      (place: pools.Place) => ['-s', place.socket, '-f', 'sh', place.app],
      '-f sh is ignored',
    ],
  ] as const)('with %s tells of it', async ([, args, hint]) => {
    const place = pools.makePlace();
    const [first, second, ...rest] = args(place);
    const pool = await pools.startPool([...ownOptions(place), first ?? '', second ?? '', ...rest, 'serve'], {
      cwd: place.dir,
    });
    expect(pools.hintsOf(pool.stderr).join('\n')).toContain(hint);
  });

  test('with options that real scripts write behind the program tells nothing', async () => {
    const place = pools.makePlace();
    const args = [place.app, 'serve', '-s', place.socket, '-M', '0600', '-P', place.pidFile];
    const pool = await pools.startPool([...ownOptions(place), ...args], { cwd: place.dir });
    expect(pools.hintsOf(pool.stderr)).toEqual([]);
  });
});

describe('the command of -f', () => {
  test.for([
    ['found in the working directory only', 'other', 127, "-f './other', and chmod +x other"],
    ['found in another directory than those of PATH', 'sh', 127, 'name it by its path, /'],
    ['that begins with a variable', 'A=1 ./app', 127, 'put env before it'],
    ["that begins with a word of the shell's", 'cd / && ./app', 127, "'cd' is no program"],
    ['without x bit', './other', 126, "chmod +x './other'"],
  ] as const)('%s is explained', async ([, command, status, hint]) => {
    const place = pools.makePlace();
    writeFileSync(join(place.dir, 'other'), '#!/bin/sh\n', { mode: 0o644 });
    const args = [...ownOptions(place), '-s', 'x', '-f', command];
    const path = command === 'sh' ? place.runDir : '/usr/bin:/bin';
    const result = await runCommand(pools.oursPath, args, { cwd: place.dir, env: { PATH: path } });
    expect(result.status).toBe(status);
    expect(pools.hintsOf(result.stderr).join('\n')).toContain(hint);
  });

  test.for([[], ['-n', '--no-supervise']])(
    'in a chroot without /bin/sh is explained, with %j',
    async (how, ctx) => {
      needRoot(ctx);
      const place = pools.makePlace();
      const jail = join(place.dir, 'jail');
      mkdirSync(jail);
      copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(jail, 'app'));
      const own = how.length > 0 ? how : ownOptions(place);
      const args = [...own, '-s', '/x', '-c', jail, '-f', '/app serve'];
      const result = await runCommand(pools.oursPath, args, { cwd: place.dir });
      expect(result.status).toBe(2);
      expect(pools.hintsOf(result.stderr)).toEqual([
        `-f runs its command by /bin/sh, which is not in the chroot '${jail}'; name the program itself: -- PROGRAM`,
      ]);
    },
  );
});

test('a program that only PATH has is named by its path', async () => {
  const place = pools.makePlace();
  const args = [...ownOptions(place), '-s', 'x', '--', 'cat'];
  const result = await runCommand(pools.oursPath, args, { cwd: place.dir });
  expect(result.status).toBe(2);
  expect(pools.hintsOf(result.stderr)[0]).toMatch(/never in PATH: name it by its path, \/\S*\/cat$/);
});

describe('-n as PID 1', () => {
  const asFirst = async (
    place: pools.Place,
    options: readonly string[],
    program: string,
  ): Promise<string[]> => {
    const args = [
      '--pid',
      '--fork',
      '--mount-proc',
      pools.oursPath,
      '-n',
      ...options,
      '-s',
      place.socket,
      '--',
      program,
    ];
    return pools.hintsOf((await runCommand('unshare', args, { cwd: place.dir })).stderr);
  };

  test('tells what becomes of TERM, but not of a program or a supervisor that handles it', async (ctx) => {
    needRoot(ctx);
    needCommands(ctx, 'unshare');
    const place = pools.makePlace();
    expect((await asFirst(place, [], '/bin/true'))[0]).toContain('add --supervise');
    const cgi = join(place.dir, 'php-cgi8.2');
    writeFileSync(cgi, '#!/bin/sh\n', { mode: 0o755 });
    expect(await asFirst(place, [], cgi)).toEqual([]);
    const supervised = await asFirst(place, ['--supervise', '--state-dir', place.stateDir], '/bin/true');
    expect(supervised.join()).not.toContain('PID 1');
  });
});

function ownOptions(place: pools.Place): string[] {
  return ['--state-dir', place.stateDir, '--log', place.log];
}
