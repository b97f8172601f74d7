/** Users, groups and capabilities of the worker; which of them cannot be had. */
import { expect } from 'vitest';
import { ownDirectory } from './setup.ts';
import type { Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];

/** Own account files, which only the command and its workers see. */
const passwd = [
  'root:x:0:0:root:/root:/bin/sh',
  'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
  'www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin',
  'web:x:1501:1501::/:/bin/sh',
  'toor:x:0:0::/:/bin/sh',
  'wheelie:x:1502:0::/:/bin/sh',
  '1601:x:1503:1503::/:/bin/sh',
  'nobody:x:65534:65534:nobody:/:/usr/sbin/nologin',
];
const group = [
  'root:x:0:',
  'daemon:x:1:',
  'www-data:x:33:',
  'adm:x:4:web',
  'ssl:x:1600:daemon,web',
  'video:x:44:web,www-data',
  'web:x:1501:',
  '1701:x:1504:',
  'nogroup:x:65534:',
];

/** Starts over TCP with these options, as root, with the accounts above. */
const by = (...options: string[]): Omit<Situation, 'name'> => ({
  args: [...tcp, ...options, '--', './app'],
  user: 'root',
  setup: [accounts('passwd', passwd), accounts('group', group)],
  caller: ['bind=<dir>/passwd:/etc/passwd', 'bind=<dir>/group:/etc/group', 'groups=4,20,24'],
});

function accounts(name: string, lines: readonly string[]) {
  return async ({ dir }: { dir: string }) => {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${dir}/${name}`, lines.map((line) => `${line}\n`).join(''));
    return () => undefined;
  };
}

const needsGroup = '-u NUMBER without a passwd entry needs -g (1.6 keeps gid 0 and the groups of root)';

const asLater = 'Debian has 1.6.4; 1.6.5 and later read a negative number as a name, as we do';

export const identitySituations: Situation[] = [
  { name: 'as root without -u: root with the groups of the caller', ...by() },
  { name: '-u NAME: its primary and supplementary groups', ...by('-u', 'web') },
  { name: '-u NAME without supplementary groups', ...by('-u', 'nobody') },
  { name: '-u NUMBER of an account: its primary and supplementary groups', ...by('-u', '1501') },
  {
    name: '-u NAME -g NAME: the given primary group, the supplementary ones of the user',
    ...by('-u', 'web', '-g', 'daemon'),
  },
  { name: '-u NAME -g NUMBER of no group', ...by('-u', 'web', '-g', '4242') },
  { name: '-u NUMBER without account, with -g: no other groups', ...by('-u', '12345', '-g', '4242') },
  { name: '-u NUMBER without account, with -g NAME', ...by('-u', '12345', '-g', 'daemon') },
  { name: '-g alone: root with that group only', ...by('-g', 'daemon') },
  { name: '-g NUMBER alone', ...by('-g', '4242') },
  { name: 'digits are a number before they are a name', ...by('-u', '1601', '-g', '1701') },
  { name: 'a number with zeros before it', ...by('-u', '00033') },
  { name: '-u and -g in one word with their values', ...by('-uweb', '-gdaemon') },
  { name: 'the last of repeated -u wins', ...by('-u', 'toor', '-u', 'nosuch', '-u', 'daemon') },
  {
    name: '-u NUMBER without account and without -g',
    ...by('-u', '12345'),
    differs: {
      why: needsGroup,
      status: 255,
      stdout: '',
      stderr: "spawn-fcgi: couldn't find the user for uid 12345 and no group was specified\n",
      workers: 0,
    },
    hint: /: -u 12345 -g /,
  },
  ...(
    [
      ['-u', 'nosuch'],
      ['-u', 'root'],
      ['-u', '0'],
      ['-u', ''],
      ['-u', 'toor'],
      ['-u', '12x'],
      ['-u', 'wheelie'],
      ['-g', 'nosuch'],
      ['-g', 'root'],
      ['-g', '0'],
      ['-U', 'nosuch'],
      ['-U', 'root'],
      ['-G', 'nosuch'],
      ['-G', 'root'],
      ['-U', 'toor'],
      ['-U', 'wheelie'],
    ] as const
  ).map((options): Situation => ({
    name: `refused: ${options.join(' ') || "''"}`,
    ...by(...options),
    workers: 0,
  })),
  {
    name: 'refused: -u -1',
    ...by('-u', '-1'),
    workers: 0,
    differs: { why: asLater, stderr: "spawn-fcgi: can't find user name -1\n" },
  },
  {
    name: 'refused: -g -5',
    ...by('-g', '-5'),
    workers: 0,
    differs: { why: asLater, status: 255, stdout: '', stderr: "spawn-fcgi: can't find group name -5\n" },
  },
  { name: 'a user of group 0 with another -g', ...by('-u', 'wheelie', '-g', 'web') },
  {
    name: 'the user is complained about before the socket user',
    ...by('-U', 'nosuch1', '-u', 'nosuch2'),
    workers: 0,
  },
  {
    name: 'users are complained about before the port in use',
    ...by('-u', 'nosuch', '-a', '192.0.2.1'),
    workers: 0,
  },
  {
    name: 'without the capability to change groups',
    ...by('-u', 'web'),
    caller: [...(by().caller ?? []), 'drop-capability=6'],
    workers: 0,
  },
  {
    name: 'without the capability to change groups, the group is there already',
    ...by('-g', 'daemon'),
    caller: [...(by().caller ?? []), 'gid=1', 'drop-capability=6'],
    workers: 0,
  },
  {
    name: 'without the capability to change users',
    ...by('-u', 'web'),
    caller: [...(by().caller ?? []), 'drop-capability=7'],
    workers: 0,
  },
  {
    name: 'root with some capabilities only',
    ...by(),
    caller: [...(by().caller ?? []), 'drop-capability=21,27'],
  },
  {
    name: 'as a user: -u and -g are ignored',
    args: [...tcp, '-u', 'root', '-g', 'nosuch', '--', './app'],
    user: 'nobody',
    hint: /./,
  },
  {
    name: 'as a user: -c and -S are ignored',
    args: [...tcp, '-S', '-c', '/nowhere', '--', './app'],
    user: 'nobody',
    hint: /./,
  },
  { name: 'as a user: no options', args: [...tcp, '--', './app'], user: 'nobody' },
  {
    name: 'as a user with -n: -u is ignored',
    args: ['-n', ...tcp, '-u', 'daemon', '--', './app'],
    user: 'nobody',
    foreground: true,
    hint: /./,
  },
  {
    name: '-u from a directory that only root can enter',
    args: [...tcp, '-u', 'daemon', '-d', '/', '--', '/usr/bin/sleep', '60'],
    user: 'root',
    setup: [ownDirectory(0o700)],
    workers: 0,
  },
  {
    name: 'as a user from a directory that it cannot enter',
    args: [...tcp, '--', '/usr/bin/sleep', '60'],
    user: 'root',
    setup: [ownDirectory(0o700)],
    caller: ['user=65534:65534'],
    env: { XDG_RUNTIME_DIR: '/nowhere' },
    workers: 0,
  },
  {
    name: 'a real and an effective user that differ',
    args: [...tcp, '--', './app'],
    user: 'root',
    caller: ['real-effective=65534:33'],
    env: { XDG_RUNTIME_DIR: '/nowhere' },
    workers: 0,
    differs: {
      why: 'our command is a script, which cannot be set-user-ID, and its shell gives up an effective user that is not the real one',
      status: 0,
      stdout: 'spawn-fcgi: child spawned successfully: PID: <pid>\n',
      stderr: '',
      workers: 1,
      reports: [expect.objectContaining({ uids: '65534/65534/65534' })],
    },
  },
];
