/** `--no-supervise` is the model of 1.6: everything is as there, number of lines and PIDs included. */
import { directory, file, jail, livePort } from './setup.ts';
import type { Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];

function plain(name: string, args: readonly string[], more: Partial<Situation> = {}): Situation {
  return { name, args, ours: ['--no-supervise', ...args], ...more };
}

const nothingLeft = 'a failed start leaves no socket and no PID file of its own';

export const noSuperviseSituations: Situation[] = [
  plain('one worker', [...tcp, '--', './app', 'x']),
  plain('a Unix socket', ['-s', 'run.sock', '-M', '0600', '--', './app']),
  plain('as a user', ['-s', 'run.sock', '--', './app'], { user: 'nobody' }),
  plain('-u', [...tcp, '-u', 'daemon', '--', './app'], { user: 'root' }),
  plain('-c and -u', [...tcp, '-c', 'jail', '-u', 'daemon', '--', '/app'], {
    user: 'root',
    setup: [jail('jail')],
  }),
  plain('-d and -C', [...tcp, '-d', 'sub', '-C', '2', '--', '../app'], { setup: [directory('sub')] }),
  plain('-P', [...tcp, '-P', 'pid', '--', './app']),
  plain('-P of an existing file', [...tcp, '-P', 'pid', '--', './app'], {
    setup: [file('pid', '123\n456\n789\n', 0o600)],
  }),
  plain('-F 3: a line for each worker', [...tcp, '-F', '3', '--', './app'], { workers: 3 }),
  plain('-F 3 and -P: a PID for each worker', [...tcp, '-F', '3', '-P', 'pid', '--', './app'], {
    workers: 3,
  }),
  plain('-f', [...tcp, '-f', './app "a b"']),
  plain('an environment and limits', [...tcp, '--', './app'], {
    env: { 'a.b': '1', NODE_OPTIONS: '--bogus', EMPTY: '' },
    caller: ['umask=027', 'nofile=100:200', 'core=0:1000'],
  }),
  plain('signals ignored by the caller', [...tcp, '--', './app'], {
    caller: ['ignore=1,13,34,64'],
    differs: {
      why: 'workers start with every signal at its default, also those the caller ignored',
      worker: { 'signals-ignored': '' },
    },
  }),
  plain('an empty environment', [...tcp, '--', './app'], { env: [] }),
  plain('a worker that exits with 0', [...tcp, '--', '/bin/sh', '-c', 'exit 0'], { workers: 0 }),
  plain('a worker that exits with 3', [...tcp, '--', '/bin/sh', '-c', 'exit 3'], { workers: 0 }),
  plain('a worker that dies of KILL', [...tcp, '--', '/bin/sh', '-c', 'kill -KILL $$'], { workers: 0 }),
  plain('a program that does not exist', [...tcp, '--', './missing'], { workers: 0 }),
  plain('a program of unknown format', [...tcp, '--', './data'], {
    workers: 0,
    setup: [file('data', 'x', 0o755)],
  }),
  plain('a port in use', [...tcp, '--', './app'], { workers: 0, setup: [livePort()] }),
  plain('a failed start on a Unix socket', ['-s', 'run.sock', '-P', 'pid', '--', './missing'], {
    workers: 0,
    differs: { why: nothingLeft, tree: { 'run.sock': undefined, pid: undefined } },
  }),
  plain('-n executes in place', ['-n', ...tcp, '--', './app', 'x'], { foreground: true }),
  plain('-n ignores -F and -P', ['-n', ...tcp, '-F', '3', '-P', 'pid', '--', './app'], { foreground: true }),
  plain('-n and a status', ['-n', ...tcp, '--', '/bin/sh', '-c', 'echo out; exit 9'], {
    foreground: true,
    workers: 0,
  }),
];
