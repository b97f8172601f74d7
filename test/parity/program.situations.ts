/** Programs: how they are found, what cannot be executed, and workers that die at once. */
import { mkdirSync, linkSync } from 'node:fs';
import { expect } from 'vitest';
import { directory, file, staleSocket, symlink } from './setup.ts';
import type { Difference, Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const run = (...program: string[]): Pick<Situation, 'args'> => ({ args: [...tcp, '--', ...program] });
const shell = (script: string): Pick<Situation, 'args'> => run('/bin/sh', '-c', script);

const nothingLeft = 'a failed start leaves no socket and no PID file of its own';
const oneLine =
  'a start whose first attempts all died has failed (1.6 gives 100 ms to the first worker only and reports the others as successes)';

const unsuitable: [what: string, program: string, ...setup: NonNullable<Situation['setup']>][] = [
  ['does not exist', './missing'],
  ['does not exist, by an absolute path', '/nonexistent/app'],
  ['is below a regular file', './app/app'],
  ['has no x bit', './data', file('data', '#!/bin/sh\nexit 0\n')],
  ['is a directory', './sub', directory('sub')],
  ['has an unknown format', './data', file('data', 'exit 0\n', 0o755)],
  ['is empty', './data', file('data', '', 0o755)],
  ['is binary garbage', './data', file('data', '\u0001\u0002\u0003garbage\n', 0o755)],
  ['has an interpreter that does not exist', './script', file('script', '#!/nonexistent/sh\n', 0o755)],
  [
    'has a carriage return behind its interpreter',
    './script',
    file('script', '#!/bin/sh\r\nexit 0\r\n', 0o755),
  ],
  ['has an interpreter without x bit', './script', file('script', '#!<dir>/data\n', 0o755), file('data', '')],
  ['is a symbolic link that leads nowhere', './link', symlink('link', 'nowhere')],
  ['is a symbolic link to itself', './link', symlink('link', 'link')],
  ['has a name that is too long', `./${'x'.repeat(300)}`],
  ['has an empty name', ''],
  ['is a directory, by a name without a slash', 'sub', directory('sub')],
];

/** One argument may have 128 KB; with `exec ` in front it has more. */
const longestArgument = 128 * 1024 - 1;

export const programSituations: Situation[] = [
  {
    name: '-f with a command that is too long for an exec of /bin/sh',
    args: [...tcp, '-f', `./app ${'x'.repeat(longestArgument - 6)}`],
  },
  { name: 'a program by its absolute path', ...run('<dir>/app', 'x') },
  { name: 'a program by a relative path', ...run('./app', 'x') },
  { name: 'a program by a path with ..', ...run('sub/../app', 'x'), setup: [directory('sub')] },
  { name: 'a program without a slash', ...run('app', 'x') },
  {
    name: 'a program without a slash is not looked for in PATH',
    ...run('true'),
    env: { PATH: '/usr/bin:/bin' },
    workers: 0,
  },
  {
    name: 'a program without a slash is taken from the working directory, whatever PATH says',
    ...run('app', 'x'),
    setup: [
      ({ dir, workerProgram }) => {
        mkdirSync(`${dir}/path`);
        linkSync(workerProgram, `${dir}/path/app`);
      },
    ],
    env: { PATH: '<dir>/path:/usr/bin' },
  },
  {
    name: 'a program without a slash is looked for in -d',
    args: [...tcp, '-d', 'sub', '--', 'app'],
    setup: [directory('sub')],
    workers: 0,
  },
  { name: 'a program by a symbolic link', ...run('./link'), setup: [symlink('link', 'app')] },
  {
    name: 'a program that begins with a dash',
    args: [...tcp, '--', '-app'],
    setup: [symlink('-app', 'app')],
  },
  {
    name: 'a script',
    ...run('./script', 'x'),
    setup: [file('script', '#!/bin/sh\nexec ./app "$0" "$@"\n', 0o755)],
  },
  {
    name: 'a script without a slash',
    ...run('script', 'x'),
    setup: [file('script', '#!/bin/sh\nexec ./app "$0" "$@"\n', 0o755)],
  },
  {
    name: 'a script with an argument for its interpreter',
    ...run('./script'),
    setup: [file('script', '#!/bin/sh -u\nexec ./app "$0" "$-"\n', 0o755)],
  },
  ...unsuitable.map(([what, program, ...setup]): Situation => ({
    name: `a program that ${what}`,
    ...run(program),
    setup,
    workers: 0,
  })),
  ...unsuitable.map(([what, program, ...setup]): Situation => ({
    name: `a program that ${what}, and -n`,
    args: ['-n', ...run(program).args],
    setup,
    workers: 0,
    foreground: true,
  })),
  {
    name: 'a program without x bit for this user',
    needsRoot: true,
    ...run('./private'),
    user: 'nobody',
    setup: [file('private', '#!/bin/sh\n', 0o744, 0)],
    workers: 0,
  },
  {
    name: '-u takes the right to execute',
    args: [...tcp, '-u', 'daemon', '--', './private'],
    user: 'root',
    setup: [file('private', '#!/bin/sh\n', 0o700)],
    workers: 0,
  },
  { name: '-f', args: [...tcp, '-f', './app'] },
  { name: '-f with arguments', args: [...tcp, '-f', './app one "two three" \'$x\'  four'] },
  { name: '-f with a variable', args: [...tcp, '-f', './app $WORD ${NONE:-none}'], env: { WORD: 'a b' } },
  { name: '-f with a redirection', args: [...tcp, '-f', './app 2>file'] },
  { name: '-f is ignored when a program is given', args: [...tcp, '-f', './missing', '--', './app', 'x'] },
  {
    name: '-f with a program that PATH knows',
    args: [...tcp, '-f', 'elsewhere'],
    setup: [directory('path'), symlink('path/elsewhere', '../app')],
    env: { PATH: '<dir>/path:/usr/bin' },
  },
  { name: '-f with a program that does not exist', args: [...tcp, '-f', './missing'], workers: 0 },
  {
    name: '-f with a program that has no x bit',
    args: [...tcp, '-f', './data'],
    setup: [file('data', 'x')],
    workers: 0,
  },
  { name: '-f with nonsense', args: [...tcp, '-f', '"unfinished'], workers: 0 },
  { name: '-f and -n', args: ['-n', ...tcp, '-f', './app x'], foreground: true },
  {
    name: '-f and -n with a program that does not exist',
    args: ['-n', ...tcp, '-f', './missing'],
    workers: 0,
    foreground: true,
  },
  { name: 'an empty -f', args: [...tcp, '-f', ''], workers: 0, differs: died(0) },
  ...[1, 3, 127, 255].map((status): Situation => ({
    name: `a worker that exits with ${status}`,
    ...shell(`exit ${status}`),
    workers: 0,
  })),
  { name: 'a worker that exits with 0', ...shell('exit 0'), workers: 0, differs: died(0) },
  ...['TERM', 'KILL', 'SEGV', 'HUP'].map((signal): Situation => ({
    name: `a worker that dies of ${signal}`,
    ...shell(`kill -${signal} $$`),
    workers: 0,
  })),
  { name: 'a program that never looks at its socket has come up', ...run('/bin/sleep', '60'), workers: 0 },
  { name: '-F 1', args: [...tcp, '-F', '1', '--', './app'] },
  {
    name: '-F 3',
    args: [...tcp, '-F', '3', '--', './app', 'x'],
    workers: 3,
    differs: {
      why: 'a supervised pool prints one line',
      stdout: 'spawn-fcgi: child spawned successfully: PID: <pid>\n',
    },
  },
  {
    name: '-F 3 whose workers exit with 4',
    args: [...tcp, '-F', '3', '--', '/bin/sh', '-c', 'exit 4'],
    workers: 0,
    differs: { why: oneLine, stdout: '', stderr: 'spawn-fcgi: child exited with: 4\n' },
  },
  {
    name: '-F 2 with a program that does not exist',
    args: [...tcp, '-F', '2', '--', './missing'],
    workers: 0,
    differs: { why: oneLine, stdout: '', stderr: 'spawn-fcgi: child exited with: 2\n' },
  },
  {
    name: 'a failed start on a Unix socket',
    args: ['-s', '<dir>/run.sock', '--', './missing'],
    workers: 0,
    differs: { why: nothingLeft, tree: { 'run.sock': undefined } },
  },
  {
    name: 'a failed start in the place of a stale socket',
    args: ['-s', '<dir>/run.sock', '--', '/bin/sh', '-c', 'exit 3'],
    setup: [staleSocket('run.sock')],
    workers: 0,
    differs: { why: nothingLeft, tree: { 'run.sock': undefined } },
  },
  {
    name: 'a failed start with a PID file',
    args: [...tcp, '-P', '<dir>/pid', '--', './missing'],
    workers: 0,
    differs: { why: nothingLeft, tree: { pid: undefined } },
  },
  {
    name: 'a failed start on a Unix socket, -n',
    args: ['-n', '-s', '<dir>/run.sock', '--', './missing'],
    workers: 0,
    foreground: true,
    differs: { why: nothingLeft, tree: { 'run.sock': undefined } },
  },
  { name: '-d to a directory that does not exist', args: [...tcp, '-d', 'none', '--', './app'], workers: 0 },
  { name: '-d to a file', args: [...tcp, '-d', 'app', '--', './app'], workers: 0 },
  {
    name: '-d to a directory that the user cannot enter',
    needsRoot: true,
    args: [...tcp, '-d', 'sub', '--', './app'],
    setup: [directory('sub', 0o700, 0)],
    user: 'nobody',
    workers: 0,
  },
  {
    name: '-d to a directory that the -u user cannot enter',
    args: [...tcp, '-d', 'sub', '-u', 'daemon', '--', './app'],
    setup: [directory('sub', 0o700)],
    user: 'root',
    workers: 0,
  },
  { name: 'an empty -d', args: [...tcp, '-d', '', '--', './app'], workers: 0 },
  {
    name: 'no more processes allowed',
    args: [...tcp, '-u', 'daemon', '--', './app'],
    user: 'root',
    caller: ['nproc=0:0'],
    workers: 0,
    differs: {
      why: 'a start that starts nothing is no success (1.6: status 0)',
      status: 11,
      stderr: expect.stringMatching(/^spawn-fcgi: fork failed: Resource temporarily unavailable\n$/),
    },
  },
];

/** 0 counts as 1 when supervising. */
function died(status: number): Difference {
  return {
    why: 'a worker that ends at once has not come up, whatever its status',
    status: status === 0 ? 1 : status,
  };
}
