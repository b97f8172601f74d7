/** Unix sockets: type, mode and owner of the file, and what lay at its place before. */
import { expect } from 'vitest';
import { NOBODY } from '../helpers/machine/index.ts';
import * as setup from './setup.ts';
import type { Difference, Situation } from './situation.ts';

const unix = (...options: string[]): Pick<Situation, 'args'> => ({
  args: ['-s', '<dir>/run.sock', ...options, '--', './app'],
});

const replaced = '-s on anything that is not a socket is refused (1.6 deletes it)';
const takenOver =
  'a socket that cannot be connected to for EACCES or EPERM counts as in use (1.6 takes it over)';
const waitedFor =
  'a socket that cannot be connected to for EAGAIN counts as in use (1.6 waits for a place in its queue)';

function refusal(why: string, stderr: unknown, tree: Record<string, unknown>): Difference {
  return { why, status: 255, stdout: '', stderr, workers: 0, tree };
}

const modes: [option: string[], umask: string][] = [
  [[], '000'],
  [[], '022'],
  [[], '027'],
  [[], '077'],
  [[], '0777'],
  [['-M', '0666'], '000'],
  [['-M', '0666'], '077'],
  [['-M', '777'], '022'],
  [['-M', '0'], '022'],
  [['-M', '4770'], '022'],
  [['-M', '01600'], '022'],
];

const owners: string[][] = [
  ['-U', 'daemon'],
  ['-G', 'daemon'],
  ['-U', 'daemon', '-G', 'www-data'],
  ['-U', '12345'],
  ['-G', '12345'],
  ['-U', '12345', '-G', '54321'],
  ['-u', 'daemon'],
  ['-g', 'daemon'],
  ['-u', 'daemon', '-g', 'www-data'],
  ['-u', 'daemon', '-U', 'www-data'],
  ['-u', 'daemon', '-G', 'www-data'],
  ['-g', 'daemon', '-U', 'www-data'],
  ['-g', 'daemon', '-G', 'www-data'],
  ['-u', 'daemon', '-g', 'www-data', '-U', 'nobody', '-G', 'adm'],
  ['-u', 'daemon', '-M', '0600', '-U', 'www-data', '-G', 'adm'],
];

export const socketFileSituations: Situation[] = [
  ...modes.map(([option, umask]) => ({
    name: `socket mode: ${option.join(' ') || 'no -M'} with umask ${umask}`,
    ...unix(...option),
    caller: [`umask=${umask}`],
    // Nobody but root can connect to a socket that its owner may not write to.
    needsRoot: umask === '0777' || option.includes('0'),
  })),
  ...owners.map((options) => ({
    name: `socket owner: ${options.join(' ')}`,
    ...unix(...options),
    user: 'root' as const,
  })),
  {
    name: 'socket owner: -U and -G as a user are ignored',
    ...unix('-U', 'daemon', '-G', 'daemon'),
    user: 'nobody',
    hint: /./,
  },
  { name: 'a socket of an ordinary user', ...unix(), user: 'nobody', caller: ['umask=007'] },
  { name: 'a relative path', args: ['-s', 'run.sock', '--', './app'] },
  {
    name: 'a relative path with directories',
    args: ['-s', './sub/../run.sock', '--', './app'],
    setup: [setup.directory('sub')],
  },
  {
    name: 'a relative path is not relative to -d',
    args: ['-s', 'run.sock', '-d', 'sub', '--', '../app'],
    setup: [setup.directory('sub')],
  },
  {
    name: 'a path with spaces and letters beyond ASCII',
    args: ['-s', '<dir>/a b ü.sock', '--', './app'],
    socket: 'a b ü.sock',
  },
  { name: 'a stale socket is replaced', ...unix(), setup: [setup.staleSocket('run.sock', 0o700)] },
  {
    name: "a stale socket of another user is root's to replace",
    ...unix(),
    user: 'root',
    setup: [setup.staleSocket('run.sock', 0o700, 1)],
  },
  {
    name: 'a stale socket is replaced, as a user',
    ...unix(),
    user: 'nobody',
    setup: [setup.staleSocket('run.sock', 0o700, NOBODY)],
  },
  {
    name: 'a stale socket in a directory without write permission',
    needsRoot: true,
    args: ['-s', '<dir>/sub/run.sock', '--', './app'],
    user: 'nobody',
    setup: [setup.directory('sub'), setup.staleSocket('sub/run.sock', 0o777)],
    workers: 0,
  },
  { name: 'a live socket is in use', ...unix(), setup: [setup.liveSocket('run.sock')], workers: 0 },
  {
    name: 'a live socket is in use, -n',
    args: ['-n', ...unix().args],
    setup: [setup.liveSocket('run.sock')],
    workers: 0,
    foreground: true,
  },
  {
    name: 'a live socket whose queue is full',
    ...unix(),
    setup: [setup.fullSocket('run.sock')],
    patienceMs: 1_000,
    differs: {
      ...refusal(waitedFor, "spawn-fcgi: socket is already in use, can't spawn\n", {}),
      signal: null,
    },
  },
  {
    name: 'a live socket that may not be connected to',
    needsRoot: true,
    ...unix(),
    user: 'nobody',
    setup: [setup.liveSocket('run.sock', 0o600)],
    differs: refusal(takenOver, "spawn-fcgi: socket is already in use, can't spawn\n", {
      'run.sock': expect.stringMatching(/^socket 0600 /),
    }),
  },
  {
    name: 'a regular file at the path',
    ...unix(),
    setup: [setup.file('run.sock', 'precious\n', 0o640)],
    differs: refusal(replaced, expect.stringMatching(/^spawn-fcgi: .*\n$/), {
      'run.sock': expect.stringMatching(/^file 0640 .* "precious\\n"$/),
    }),
  },
  {
    name: 'a FIFO at the path',
    ...unix(),
    setup: [setup.fifo('run.sock')],
    differs: refusal(replaced, expect.stringMatching(/^spawn-fcgi: .*\n$/), {
      'run.sock': expect.stringMatching(/^fifo 0600 /),
    }),
  },
  {
    name: 'a symbolic link to a regular file at the path',
    ...unix(),
    setup: [setup.file('target', 'precious\n'), setup.symlink('run.sock', 'target')],
    differs: refusal(replaced, expect.stringMatching(/^spawn-fcgi: .*\n$/), {
      'run.sock': expect.stringMatching(/^link .* target$/),
    }),
  },
  {
    name: 'a symbolic link that leads nowhere at the path',
    ...unix(),
    setup: [setup.symlink('run.sock', 'nowhere')],
    differs: refusal(replaced, expect.stringMatching(/^spawn-fcgi: .*\n$/), {
      'run.sock': expect.stringMatching(/^link .* nowhere$/),
    }),
  },
  { name: 'a directory at the path', ...unix(), setup: [setup.directory('run.sock')], workers: 0 },
  { name: 'a path below a regular file', args: ['-s', '<dir>/app/run.sock', '--', './app'], workers: 0 },
  {
    name: 'a path in a directory that does not exist',
    args: ['-s', '<dir>/none/run.sock', '--', './app'],
    workers: 0,
  },
  {
    name: 'a path in a directory without write permission',
    needsRoot: true,
    args: ['-s', '<dir>/sub/run.sock', '--', './app'],
    user: 'nobody',
    setup: [setup.directory('sub')],
    workers: 0,
  },
  {
    name: 'a path in a directory without search permission',
    needsRoot: true,
    args: ['-s', '<dir>/sub/run.sock', '--', './app'],
    user: 'nobody',
    setup: [setup.directory('sub', 0o700)],
    workers: 0,
  },
  { name: 'a path of 107 bytes', args: ['-s', '<107>', '--', './app'], socket: '<107>' },
  { name: 'a path of 108 bytes', args: ['-s', '<108>', '--', './app'], workers: 0 },
  { name: 'an empty path', args: ['-s', '', '--', './app'], workers: 0 },
  {
    name: 'as root, a directory that everybody can write to',
    ...unix(),
    user: 'root',
    setup: [setup.ownDirectory(0o777)],
    hint: /everybody may replace files in '<dir>'.*chmod \+t <dir>/,
  },
  {
    name: 'as root, a directory that everybody can write to, with the sticky bit',
    ...unix(),
    user: 'root',
    setup: [setup.ownDirectory(0o1777)],
  },
  {
    name: 'as root, a directory of the -u user',
    ...unix('-u', 'daemon'),
    user: 'root',
    setup: [setup.ownDirectory(0o775, 1)],
  },
  {
    name: 'without the capability to change owners',
    ...unix('-U', 'daemon'),
    user: 'root',
    caller: ['drop-capability=0'],
    workers: 0,
  },
  { name: '-b for a Unix socket', ...unix('-b', '17') },
  { name: '-a beside a socket path is ignored', ...unix('-a', 'nonsense') },
];
