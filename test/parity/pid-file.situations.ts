/** -P: content, mode and owner, and what may not be used as one. */
import { expect } from 'vitest';
import { directory, fifo, file, livePort, symlink } from './setup.ts';
import type { Difference, Situation } from './situation.ts';

const tcp = ['-a', '127.0.0.1', '-p', '<port>'];
const withPid = (path: string, ...more: string[]): Pick<Situation, 'args'> => ({
  args: [...tcp, '-P', path, ...more, '--', './app'],
});

const neverEmptied = 'the PID file is written last and never emptied by a start that fails (1.6 empties it)';
const neverThroughLinks = 'the PID file is never written through a symbolic link';

function refusedLink(tree: Record<string, unknown>): Difference {
  return {
    why: neverThroughLinks,
    status: 255,
    stdout: '',
    stderr: expect.stringMatching(/^spawn-fcgi: .*PID-file.*\n$/),
    workers: 0,
    tree,
  };
}

export const pidFileSituations: Situation[] = [
  { name: 'a new file', ...withPid('<dir>/pid') },
  { name: 'a relative path', ...withPid('pid') },
  {
    name: 'a relative path is not relative to -d',
    args: [...tcp, '-P', 'pid', '-d', '/', '--', '<dir>/app'],
  },
  { name: 'umask 0', ...withPid('pid'), caller: ['umask=0'] },
  { name: 'umask 077', ...withPid('pid'), caller: ['umask=077'] },
  { name: '-u: the file is of root', ...withPid('pid', '-u', 'daemon'), user: 'root' },
  { name: 'as a user', ...withPid('pid'), user: 'nobody' },
  {
    name: 'an existing file is overwritten and keeps its mode',
    ...withPid('pid'),
    setup: [file('pid', '999999\nlonger than a PID\n', 0o606)],
  },
  {
    name: 'an existing file of another user keeps its owner',
    ...withPid('pid'),
    user: 'root',
    setup: [file('pid', '1', 0o600, 1)],
  },
  {
    name: 'an existing file in a directory without write permission',
    needsRoot: true,
    ...withPid('sub/pid'),
    user: 'nobody',
    setup: [directory('sub', 0o755, 0), file('sub/pid', '', 0o644, 65_534)],
  },
  { name: 'an existing empty file', ...withPid('pid'), setup: [file('pid', '')] },
  { name: 'a directory that does not exist', ...withPid('none/pid'), workers: 0 },
  {
    name: 'a directory without write permission',
    needsRoot: true,
    ...withPid('sub/pid'),
    user: 'nobody',
    setup: [directory('sub', 0o755, 0)],
    workers: 0,
  },
  {
    name: 'an existing file without write permission',
    needsRoot: true,
    ...withPid('pid'),
    user: 'nobody',
    setup: [file('pid', '1', 0o644, 0)],
    workers: 0,
  },
  { name: 'below a regular file', ...withPid('app/pid'), workers: 0 },
  { name: 'a directory', ...withPid('sub'), setup: [directory('sub')], workers: 0 },
  { name: 'a FIFO', ...withPid('fifo'), setup: [fifo('fifo')], workers: 0 },
  { name: 'a device', ...withPid('/dev/null'), workers: 0 },
  { name: 'an empty path', ...withPid(''), workers: 0 },
  {
    name: 'a symbolic link to a directory',
    ...withPid('link'),
    setup: [directory('sub'), symlink('link', 'sub')],
    workers: 0,
  },
  {
    name: 'a symbolic link that leads nowhere',
    ...withPid('link'),
    setup: [symlink('link', 'nowhere')],
    workers: 0,
    differs: {
      why: neverThroughLinks,
      stderr: "spawn-fcgi: PID-file exists and isn't regular file: 'link'\n",
    },
  },
  {
    name: 'a symbolic link that leads to itself',
    ...withPid('link'),
    setup: [symlink('link', 'link')],
    workers: 0,
    differs: {
      why: neverThroughLinks,
      stderr: "spawn-fcgi: PID-file exists and isn't regular file: 'link'\n",
    },
  },
  {
    name: 'a symbolic link to a regular file',
    ...withPid('link'),
    setup: [file('target', 'precious\n'), symlink('link', 'target')],
    differs: refusedLink({ target: expect.stringMatching(/"precious\\n"$/) }),
  },
  {
    name: 'the file of a running instance whose port is in use',
    ...withPid('pid'),
    setup: [livePort(), file('pid', '4711\n')],
    workers: 0,
    differs: { why: neverEmptied, tree: { pid: expect.stringMatching(/^file 0644 \d+:\d+ "<pid>\\n"$/) } },
  },
  {
    name: 'a start that fails leaves no file',
    ...withPid('pid'),
    setup: [livePort()],
    workers: 0,
    differs: { why: 'a failed start leaves no PID file of its own', tree: { pid: undefined } },
  },
  {
    name: 'a user that does not exist is noticed before the file is touched',
    ...withPid('pid', '-u', 'nosuch'),
    user: 'root',
    setup: [file('pid', '4711\n')],
    workers: 0,
    differs: { why: neverEmptied, tree: { pid: expect.stringMatching(/^file 0644 \d+:\d+ "<pid>\\n"$/) } },
  },
  {
    name: 'the PID file is complained about before the user',
    ...withPid('none/pid', '-u', 'nosuch'),
    user: 'root',
    workers: 0,
  },
  {
    name: 'a full disk',
    ...withPid('full/pid'),
    user: 'root',
    setup: [directory('full')],
    caller: ['full-disk=<dir>/full'],
    differs: {
      why: 'a PID file that cannot be written is a failed start, after which nothing runs (1.6: the message, and success)',
      status: 255,
      stdout: '',
      workers: 0,
    },
  },
  {
    name: '-F 3 writes one PID',
    args: [...tcp, '-F', '3', '-P', 'pid', '--', './app'],
    workers: 3,
    differs: {
      why: 'a supervised pool prints one line and writes one PID',
      stdout: 'spawn-fcgi: child spawned successfully: PID: <pid>\n',
      tree: { pid: expect.stringMatching(/^file 0644 \d+:\d+ "<pid>"$/) },
    },
  },
  {
    name: 'a long path',
    args: [...tcp, '-P', `${'sub/'.repeat(30)}pid`, '--', './app'],
    setup: [directory('sub/'.repeat(30))],
  },
];
