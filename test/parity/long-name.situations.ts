/** Long names of 1.6's options: ours with the long one does what 1.6 does with the short one. */
import { directory, jail } from './setup.ts';
import type { Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const unix = ['-s', 'run.sock'];

type LongName = [short: string, long: string, value: string, rest: string[], more?: Partial<Situation>];

const withValue: LongName[] = [
  ['-p', '--port', '<port>', ['-a', '127.0.0.1', '--', './app']],
  ['-a', '--address', '127.0.0.1', ['-p', '<port>', '--', './app']],
  ['-s', '--socket', 'run.sock', ['--', './app']],
  ['-b', '--backlog', '12', [...tcp, '--', './app']],
  ['-M', '--socket-mode', '0602', [...unix, '--', './app']],
  ['-U', '--socket-user', 'daemon', [...unix, '--', './app'], { user: 'root' }],
  ['-G', '--socket-group', 'daemon', [...unix, '--', './app'], { user: 'root' }],
  ['-u', '--user', 'daemon', [...tcp, '--', './app'], { user: 'root' }],
  ['-g', '--group', 'daemon', [...tcp, '--', './app'], { user: 'root' }],
  ['-d', '--chdir', 'sub', [...tcp, '--', '../app'], { setup: [directory('sub')] }],
  ['-c', '--chroot', 'jail', [...tcp, '--', '/app'], { user: 'root', setup: [jail('jail')] }],
  ['-C', '--php-children', '3', [...tcp, '--', './app']],
  ['-F', '--workers', '1', [...tcp, '--', './app']],
  ['-P', '--pid-file', 'pid', [...tcp, '--', './app']],
  ['-f', '--command', './app "a b"', tcp],
];

const flags: [short: string, long: string, rest: string[], more: Partial<Situation>][] = [
  ['-n', '--foreground', [...tcp, '--', './app'], { foreground: true }],
  [
    '-S',
    '--socket-before-chroot',
    [...unix, '-c', 'jail', '--', '/app'],
    { user: 'root', setup: [jail('jail')] },
  ],
];

export const longNameSituations: Situation[] = [
  ...withValue.flatMap(([short, long, value, rest, more]): Situation[] => [
    { name: `${long} VALUE`, args: [short, value, ...rest], ours: [long, value, ...rest], ...more },
    { name: `${long}=VALUE`, args: [short, value, ...rest], ours: [`${long}=${value}`, ...rest], ...more },
  ]),
  ...flags.map(([short, long, rest, more]) => ({
    name: long,
    args: [short, ...rest],
    ours: [long, ...rest],
    ...more,
  })),
  {
    name: 'a long name after the name of the program',
    args: ['./app', ...tcp, 'x'],
    ours: ['./app', '--address', '127.0.0.1', '--port=<port>', 'x'],
  },
  {
    name: 'long names behind -- belong to the program',
    args: [...tcp, '--', './app', '--port', '1', '--help'],
  },
];
