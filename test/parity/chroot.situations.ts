/** chroot: where paths lead with and without -S, and what an empty one lacks. */
import { jail, type JailOptions, type Setup } from './setup.ts';
import type { Situation } from './situation.ts';

const jailed = (options: JailOptions = {}, ...more: Setup[]): Pick<Situation, 'user' | 'setup'> => ({
  user: 'root',
  setup: [jail('jail', options), ...more],
});
const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const devNullBefore =
  '/dev/null is opened before chroot (1.6: a message, and the worker keeps the output of the caller)';

export const chrootSituations: Situation[] = [
  { name: 'over TCP', args: [...tcp, '-c', '<dir>/jail', '--', '/app', 'x'], ...jailed() },
  { name: 'a relative directory', args: [...tcp, '-c', 'jail', '--', '/app'], ...jailed() },
  {
    name: 'a socket in the chroot',
    args: ['-c', '<dir>/jail', '-s', '/run.sock', '--', '/app'],
    socket: 'jail/run.sock',
    ...jailed(),
  },
  {
    name: 'a relative socket in the chroot',
    args: ['-c', 'jail', '-s', 'sub/run.sock', '--', '/app'],
    socket: 'jail/sub/run.sock',
    ...jailed(),
  },
  {
    name: 'a socket outside with -S',
    args: ['-S', '-c', '<dir>/jail', '-s', '<dir>/run.sock', '--', '/app'],
    ...jailed(),
  },
  {
    name: 'a relative socket with -S',
    args: ['-S', '-c', 'jail', '-s', 'run.sock', '--', '/app'],
    ...jailed(),
  },
  { name: '-S without -c', args: ['-S', '-s', 'run.sock', '--', './app'], user: 'root' },
  { name: '-S over TCP', args: [...tcp, '-S', '-c', 'jail', '--', '/app'], ...jailed() },
  { name: '-u', args: [...tcp, '-c', 'jail', '-u', 'daemon', '--', '/app'], ...jailed() },
  {
    name: '-u and -g and a socket in the chroot',
    args: ['-c', 'jail', '-s', '/run.sock', '-u', 'daemon', '-g', 'www-data', '--', '/app'],
    socket: 'jail/run.sock',
    ...jailed(),
  },
  {
    name: '-u, -S and owner and mode of the socket',
    args: ['-Sc', 'jail', '-s', 'run.sock', '-u', 'daemon', '-U', 'www-data', '-M', '0600', '--', '/app'],
    ...jailed(),
  },
  {
    name: '-U and -G of a socket in the chroot',
    args: ['-c', 'jail', '-s', '/run.sock', '-U', 'daemon', '-G', 'www-data', '--', '/app'],
    socket: 'jail/run.sock',
    ...jailed(),
  },
  { name: '-d in the chroot', args: [...tcp, '-c', 'jail', '-d', '/sub', '--', '/app'], ...jailed() },
  {
    name: 'a relative -d is relative to the chroot',
    args: [...tcp, '-c', 'jail', '-d', 'sub', '--', './app'],
    ...jailed(),
  },
  {
    name: '-d that only exists outside',
    args: [...tcp, '-c', 'jail', '-d', '/usr', '--', '/app'],
    workers: 0,
    ...jailed(),
  },
  { name: '-P lies outside', args: [...tcp, '-c', 'jail', '-P', '<dir>/pid', '--', '/app'], ...jailed() },
  {
    name: 'a relative -P lies outside',
    args: [...tcp, '-c', 'jail', '-u', 'daemon', '-P', 'pid', '--', '/app'],
    ...jailed(),
  },
  {
    name: '-f uses the shell in the chroot',
    args: [...tcp, '-c', 'jail', '-f', '/app one "two"'],
    ...jailed(),
  },
  {
    name: '-f without a shell in the chroot',
    args: [...tcp, '-c', '<dir>/empty', '-f', '/app'],
    workers: 0,
    user: 'root',
    setup: [jail('empty', { shell: false })],
  },
  { name: 'a program without a slash', args: [...tcp, '-c', 'jail', '--', 'app'], ...jailed() },
  {
    name: 'a program that is missing in the chroot',
    args: [...tcp, '-c', 'jail', '--', '/bin/true'],
    workers: 0,
    ...jailed(),
  },
  {
    name: 'a stale socket in the chroot',
    args: ['-c', 'jail', '-s', '/run.sock', '--', '/app'],
    socket: 'jail/run.sock',
    ...jailed(),
  },
  {
    name: '-n',
    args: ['-n', ...tcp, '-c', 'jail', '-u', 'daemon', '--', '/app'],
    foreground: true,
    ...jailed(),
  },
  {
    name: '-n and a program that is missing',
    args: ['-n', ...tcp, '-c', 'jail', '--', '/nothing'],
    foreground: true,
    workers: 0,
    ...jailed(),
  },
  {
    name: '-n and a relative program',
    args: ['-n', ...tcp, '-c', 'jail', '-d', 'sub', '--', 'app'],
    foreground: true,
    ...jailed(),
  },
  { name: '-C and -b', args: [...tcp, '-c', 'jail', '-C', '3', '-b', '9', '--', '/app'], ...jailed() },
  {
    name: '-F 2',
    args: [...tcp, '-c', 'jail', '-F', '2', '--', '/app'],
    workers: 2,
    ...jailed(),
    differs: {
      why: 'a supervised pool prints one line',
      stdout: 'spawn-fcgi: child spawned successfully: PID: <pid>\n',
    },
  },
  {
    name: 'no /dev/null in the chroot',
    args: [...tcp, '-c', 'jail', '--', '/app'],
    ...jailed({ devNull: false }),
    differs: {
      why: devNullBefore,
      stderr: '',
      outputEnds: true,
      worker: { 'fd.1': 'device flags=0100002 device=1:3', 'fd.2': 'device flags=0100002 device=1:3' },
    },
  },
  {
    name: 'no /dev/null in the chroot, and -n',
    args: ['-n', ...tcp, '-c', 'jail', '--', '/app'],
    foreground: true,
    ...jailed({ devNull: false }),
  },
  {
    name: 'a chroot that does not exist',
    args: [...tcp, '-c', '<dir>/none', '--', '/app'],
    workers: 0,
    user: 'root',
  },
  { name: 'a chroot that is a file', args: [...tcp, '-c', 'app', '--', '/app'], workers: 0, user: 'root' },
  { name: 'an empty chroot path', args: [...tcp, '-c', '', '--', '/app'], workers: 0, user: 'root' },
  {
    name: 'without the capability for chroot',
    args: [...tcp, '-c', 'jail', '--', '/app'],
    workers: 0,
    ...jailed(),
    caller: ['drop-capability=18'],
  },
];
