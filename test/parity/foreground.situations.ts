/** `-n`: the process becomes the program, with its streams, status and signals. */
import { expect } from 'vitest';
import { file } from './setup.ts';
import type { Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const inPlace = (...args: string[]): Pick<Situation, 'args' | 'foreground'> => ({
  args: ['-n', ...tcp, ...args],
  foreground: true,
});
const shell = (script: string): Pick<Situation, 'args' | 'foreground' | 'workers'> => ({
  ...inPlace('--', '/bin/sh', '-c', script),
  workers: 0,
});

export const foregroundSituations: Situation[] = [
  { name: 'the program in place of the command', ...inPlace('--', './app', 'x') },
  { name: 'a Unix socket', args: ['-n', '-s', '<dir>/run.sock', '--', './app'], foreground: true },
  { name: '-n in a cluster', args: ['-np<port>', '-a127.0.0.1', '--', './app'], foreground: true },
  { name: '-n after the name of the program', args: ['./app', ...tcp, '-n'], foreground: true },
  { name: 'a program without a slash', ...inPlace('--', 'app', 'x') },
  { name: 'output on both streams', ...shell('echo out; echo err >&2') },
  { name: 'output without a newline', ...shell('printf out') },
  ...[0, 1, 42, 255].map((status): Situation => ({
    name: `exit status ${status}`,
    ...shell(`exit ${status}`),
  })),
  ...['TERM', 'KILL', 'INT', 'HUP', 'USR1', 'PIPE'].map((signal): Situation => ({
    name: `death by ${signal}`,
    ...shell(`kill -${signal} $$`),
  })),
  { name: 'TERM that the program catches', ...shell('trap "echo caught; exit 7" TERM; kill -TERM $$') },
  { name: '-P is ignored', ...inPlace('-P', '<dir>/pid', '--', './app') },
  { name: '-P that cannot be written is ignored', ...inPlace('-P', '/nonexistent/pid', '--', './app') },
  {
    name: '-P that exists is left alone',
    ...inPlace('-P', '<dir>/pid', '--', './app'),
    setup: [file('pid', 'mine\n')],
  },
  { name: '-F 1', ...inPlace('-F', '1', '--', './app') },
  {
    name: '-F 3',
    ...inPlace('-F', '3', '--', './app'),
    differs: {
      why: '-n with more than one worker is the supervisor in the foreground',
      status: 0,
      signal: null,
      stdout: 'spawn-fcgi: child spawned successfully: PID: <pid>\n',
      upLine: /pool up/,
      stderr: expect.stringMatching(/^spawn-fcgi\[<pid>\] app: pool up .*3 workers\n/),
      workers: 3,
      worker: { session: 'its own', 'process-group': 'its own' },
    },
  },
  { name: '-d', ...inPlace('-d', '/usr', '--', '<dir>/app') },
  { name: '-u', ...inPlace('-u', 'daemon', '--', './app'), user: 'root' },
  {
    name: '-u and -g in a cluster',
    args: ['-nu', 'daemon', '-gwww-data', ...tcp, '--', './app'],
    foreground: true,
    user: 'root',
  },
  { name: 'as a user', ...inPlace('--', './app'), user: 'nobody' },
  {
    name: 'exec fails after -u',
    ...inPlace('-u', 'daemon', '--', './private'),
    user: 'root',
    workers: 0,
    setup: [file('private', '#!/bin/sh\n', 0o700)],
  },
  { name: 'no program', args: ['-n', ...tcp], foreground: true, workers: 0 },
  { name: 'a failing -d', ...inPlace('-d', 'none', '--', './app'), workers: 0 },
  { name: 'stdin is the socket', ...shell('test -S /dev/stdin && echo socket') },
];
