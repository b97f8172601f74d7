/** What else a process inherits: limits, signals, descriptors, priorities, the terminal. */
import { expect } from 'vitest';
import { directory } from './setup.ts';
import type { Situation } from './situation.ts';

const args = ['-a', '127.0.0.1', '-p', '<port>', '--', './app'];
const inPlace = ['-n', ...args];

const noLeaks = 'no descriptor above 2 reaches a worker (1.6 leaks them)';
const allDefault = 'workers start with every signal at its default, also those the caller ignored';

const settings: [name: string, ...settings: string[]][] = [
  ['umask 027', 'umask=027'],
  ['umask 0', 'umask=0'],
  ['umask 077', 'umask=077'],
  ['a soft limit of open files below the hard one', 'nofile=100:200'],
  ['the usual limits of open files', 'nofile=1024:4096'],
  ['a soft limit of open files that is low', 'nofile=32:20000'],
  ['a soft limit of open files that is the hard one', 'nofile=300:300'],
  ['a core limit', 'core=1000:2000'],
  ['no cores', 'core=0:0'],
  ['a stack limit', 'stack=4194304:8388608'],
  ['limits of file size and locked memory', 'fsize=100000000:200000000', 'memlock=4096:8192'],
  ['a limit of CPU time', 'cpu=1000:2000'],
  ['nice 5', 'nice=5'],
  ['oom_score_adj 200', 'oom-score-adj=200'],
  ['no_new_privs', 'no-new-privileges=1'],
  ['a closed stdin', 'close=0'],
  ['a closed stderr', 'close=2'],
  ['a closed stdout', 'close=1'],
  ['all three closed', 'close=0,1,2'],
  ['stdout in a file', 'output=<dir>.out'],
];

/** Which descriptors these settings take away from the program of -n. */
const closedOutputs: Record<string, string[]> = {
  'a closed stdout': ['fd.1'],
  'a closed stderr': ['fd.2'],
  'all three closed': ['fd.1', 'fd.2'],
};

function withReopened(closed: readonly string[] | undefined): Pick<Situation, 'differs'> {
  if (!closed) return {};
  const why = 'a closed stream is /dev/null: Node opens it so that nothing else gets its number';
  return {
    differs: { why, worker: Object.fromEntries(closed.map((fd) => [fd, 'device flags=0100002 device=1:3'])) },
  };
}

export const processSituations: Situation[] = [
  ...settings.map(([name, ...caller]): Situation => ({
    name,
    args,
    caller,
    ...(name.startsWith('oom') || name.startsWith('limits') ? { user: 'root' } : {}),
  })),
  ...settings.map(([name, ...caller]): Situation => ({
    name: `${name}, and -n`,
    args: inPlace,
    caller,
    foreground: true,
    ...(name.startsWith('oom') || name.startsWith('limits') ? { user: 'root' } : {}),
    ...withReopened(closedOutputs[name]),
  })),
  { name: 'nothing special', args },
  { name: 'nothing special, and -n', args: inPlace, foreground: true },
  { name: 'a controlling terminal', args, caller: ['terminal=1'] },
  { name: 'a controlling terminal, and -n', args: inPlace, caller: ['terminal=1'], foreground: true },
  {
    name: 'HUP ignored by the caller',
    args,
    caller: ['ignore=1'],
    differs: { why: allDefault, worker: { 'signals-ignored': '' } },
  },
  {
    name: 'PIPE, CHLD and USR1 ignored by the caller',
    args,
    caller: ['ignore=10,13,17'],
    differs: { why: allDefault, worker: { 'signals-ignored': '' } },
  },
  {
    name: 'HUP ignored by the caller, and -n',
    args: inPlace,
    caller: ['ignore=1,13'],
    foreground: true,
    differs: { why: allDefault, worker: { 'signals-ignored': '' } },
  },
  // Node ignores or resets no real-time signal: that is left to us.
  {
    name: 'real-time signals ignored by the caller',
    args,
    caller: ['ignore=34,50,64'],
    differs: { why: allDefault, worker: { 'signals-ignored': '' } },
  },
  {
    name: 'real-time signals ignored by the caller, and -n',
    args: inPlace,
    caller: ['ignore=34,50,64'],
    foreground: true,
    differs: { why: allDefault, worker: { 'signals-ignored': '' } },
  },
  {
    name: 'real-time signals blocked by the caller, and -n',
    args: inPlace,
    caller: ['block=34,50,64'],
    foreground: true,
    differs: { why: allDefault, worker: { 'signals-blocked': '' } },
  },
  {
    name: 'signals blocked by the caller',
    args,
    caller: ['block=1,10,15'],
    differs: { why: allDefault, worker: { 'signals-blocked': '' } },
  },
  {
    name: 'a descriptor of the caller',
    args,
    caller: ['open=9'],
    differs: { why: noLeaks, worker: { 'fd.9': undefined } },
  },
  {
    name: 'descriptors of the caller with gaps between them',
    args,
    caller: ['open=3,7,20,251', 'open-nonblocking=30'],
    differs: {
      why: noLeaks,
      worker: Object.fromEntries([3, 4, 5, 7, 20, 30, 251].map((fd) => [`fd.${fd}`, undefined])),
    },
  },
  {
    name: 'descriptors of the caller with gaps between them, and -n',
    args: inPlace,
    caller: ['open=3,20,251'],
    foreground: true,
    differs: { why: noLeaks, worker: { 'fd.3': undefined, 'fd.20': undefined, 'fd.251': undefined } },
  },
  {
    name: 'a working directory that was removed',
    args: ['-a', '127.0.0.1', '-p', '<port>', '--', '<dir>/app'],
    setup: [directory('gone')],
    caller: ['directory=<dir>/gone', 'remove=<dir>/gone'],
    differs: {
      why: 'the shell of our front complains about it before anything of ours runs',
      stderr: 'sh: 0: getcwd() failed: No such file or directory\n',
    },
  },
  {
    name: 'so few open files allowed that there is no socket',
    args: ['-P', '<dir>/pid', ...args],
    caller: ['nofile=4:4'],
    workers: 0,
    differs: {
      why: 'needs more than four descriptors to say so, and leaves no PID file',
      status: expect.any(Number) as unknown,
      stderr: expect.any(String) as unknown,
      tree: { pid: undefined },
    },
  },
  {
    name: '-d changes the working directory',
    args: ['-d', 'sub', ...args.slice(0, -1), '../app'],
    setup: [directory('sub')],
  },
  { name: '-d with an absolute path', args: ['-d', '/usr', ...args.slice(0, -1), '<dir>/app'] },
  {
    name: '-d and PWD of the caller',
    args: ['-d', '/usr', ...args.slice(0, -1), '<dir>/app'],
    env: { PWD: '<dir>' },
  },
];
