// Git over HTTP by fcgiwrap: cgit for those who read, git http-backend for those who clone and push.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as machine from '../machine/index.ts';
import { holdAt, type Held } from '../web/index.ts';
import { continueSum, numberedLines, upload } from './payloads.ts';
import { askAndJudge, ok, type Installation, type Verdict, type Tested } from './tested.ts';

const WORKERS = 6;
const backend = '/usr/lib/git-core/git-http-backend';
const cgit = '/usr/lib/cgit/cgit.cgi';
const wrapper = machine.findCommand('fcgiwrap') ?? 'fcgiwrap';

/** Nothing of who runs the tests; and what belongs to somebody else is served. */
const gitEnvironment = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  ...configuration({
    'safe.directory': '*',
    'core.compression': '0',
    'core.bigFileThreshold': '1m',
    'gc.auto': '0',
  }),
  GIT_TERMINAL_PROMPT: '0',
  ...Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'Somebody'],
      [`GIT_${who}_EMAIL`, 'somebody@example.org'],
    ]),
  ),
};

function configuration(settings: Record<string, string>): Record<string, string> {
  const pairs = Object.entries(settings);
  return Object.fromEntries([
    ['GIT_CONFIG_COUNT', String(pairs.length)],
    ...pairs.flatMap(([key, value], n) => [
      [`GIT_CONFIG_KEY_${n}`, key],
      [`GIT_CONFIG_VALUE_${n}`, value],
    ]),
  ]) as Record<string, string>;
}

function git(...args: readonly string[]): void {
  execFileSync('git', args, {
    env: { ...process.env, ...gitEnvironment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Resolves with "ok", or says that git failed. */
async function gitOverHttp(...args: readonly string[]): Promise<Verdict> {
  const env = { ...process.env, ...gitEnvironment };
  const { status } = await machine.runCommand('git', args, { env });
  return status === 0 ? ok : 'git fails';
}

/** A working copy in `dir`/work with these files committed. */
function commit(dir: string, files: Record<string, Buffer | string>): string {
  const work = join(dir, 'work');
  git('init', '--quiet', '--initial-branch=main', work);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(work, name), content);
  git('-C', work, 'add', '.');
  git('-C', work, 'commit', '--quiet', '--message=All of it');
  return work;
}

const keys = ['nginx', 'lighttpd', 'apache', 'caddy', 'haproxy'];

const reader: Tested = {
  name: 'fcgiwrap, cgit',
  missing: machine.missing({ commands: ['fcgiwrap', 'git', cgit] }),
  shape: 'cgi',
  workers: WORKERS,
  install(dir) {
    const held = Object.fromEntries(keys.map((key) => [`hold-${key}`, 'held\n']));
    const work = commit(dir, { 'lines.txt': numberedLines, ...held });
    git('clone', '--quiet', '--bare', work, join(dir, 'all.git'));
    // Whatever is shown of a file goes through it.
    const filter = `#!/bin/sh\nif [ -p "${dir}/$1" ]; then cat "${dir}/$1"; fi\nexec cat\n`;
    writeFileSync(join(dir, 'filter.sh'), filter, { mode: 0o755 });
    const settings = [
      'virtual-root=/',
      `source-filter=${dir}/filter.sh`,
      'repo.url=all',
      `repo.path=${dir}/all.git`,
    ];
    writeFileSync(join(dir, 'cgitrc'), `${settings.join('\n')}\n`);
    return readingThrough(dir);
  },
};

function readingThrough(dir: string): Installation {
  const large = { path: '/all/plain/lines.txt' };
  const upstream = {
    method: 'POST',
    path: '/',
    type: 'application/octet-stream',
    body: randomBytes(upload.length),
  };
  return {
    command: [wrapper],
    env: { ...gitEnvironment, CGIT_CONFIG: join(dir, 'cgitrc') },
    path: cgit,
    large,
    upstream,
    get: (port) => askAndJudge(port, { path: '/?s=name' }, ({ text }) => text.includes('>all</a>')),
    head: (port) => askAndJudge(port, { method: 'HEAD', path: '/all/' }, ({ bytes }) => bytes === 0),
    // It does not read it.
    upload: (port) => askAndJudge(port, upstream, ({ text }) => text.includes('>all</a>')),
    download: (port) =>
      askAndJudge(
        port,
        large,
        ({ bytes, sum }) =>
          bytes === numberedLines.length && sum === continueSum(Buffer.alloc(0), numberedLines),
      ),
    hold: (port, key) =>
      holdAt(join(dir, `hold-${key}`), () =>
        askAndJudge(port, { path: `/all/tree/hold-${key}` }, ({ text }) => text.includes(`hold-${key}`)),
      ),
  };
}

/** Before anything of a push counts, it waits at the FIFO if there is one. */
const preReceive = `#!/bin/sh
cat >/dev/null
hold=../hold-$(basename "$PWD" .git)
if [ -p "$hold" ]; then cat "$hold"; fi
`;

const writer: Tested = {
  name: 'fcgiwrap, git http-backend',
  missing: machine.missing({ commands: ['fcgiwrap', 'git', backend] }),
  shape: 'cgi',
  workers: WORKERS,
  install(dir) {
    const work = commit(dir, { 'noise.bin': randomBytes(5 * 2 ** 20) });
    for (const key of keys) {
      const bare = join(dir, `${key}.git`);
      git('clone', '--quiet', '--bare', work, bare);
      git('-C', bare, 'config', 'http.receivepack', 'true');
      writeFileSync(join(bare, 'hooks/pre-receive'), preReceive, { mode: 0o755 });
      if (machine.isRoot) execFileSync('chown', ['-R', `${machine.NOBODY}:${machine.NOBODY}`, bare]);
    }
    writeFileSync(join(work, 'more.bin'), randomBytes(upload.length));
    git('-C', work, 'add', '.');
    git('-C', work, 'commit', '--quiet', '--message=More');
    git('-C', work, 'branch', 'small', 'main~1');
    return pushingTo(dir, work);
  },
};

function pushingTo(dir: string, work: string): Installation {
  const refs = '/nginx.git/info/refs?service=git-upload-pack';
  const packs = readdirSync(join(dir, 'nginx.git/objects/pack'));
  const pack = packs.find((name) => name.endsWith('.pack')) ?? '';
  const push = (port: number, key: string, what: string): Promise<Verdict> =>
    gitOverHttp('-C', work, 'push', '--quiet', `http://127.0.0.1:${port}/${key}.git`, what);
  return {
    command: [wrapper],
    env: { ...gitEnvironment, GIT_PROJECT_ROOT: dir, GIT_HTTP_EXPORT_ALL: '1' },
    path: backend,
    large: { path: `/nginx.git/objects/pack/${pack}` },
    upstream: {
      method: 'POST',
      path: '/nginx.git/git-receive-pack',
      type: 'application/x-git-receive-pack-request',
      body: randomBytes(upload.length),
    },
    get: (port) => askAndJudge(port, { path: refs }, ({ text }) => text.includes('refs/heads/main\n')),
    head: (port) =>
      askAndJudge(port, { method: 'HEAD', path: '/nginx.git/HEAD' }, ({ bytes }) => bytes === 0),
    upload: (port, key) => push(port, key, 'main'),
    download: async (port, key) => {
      const copy = join(dir, `copy-${key}`);
      const outcome = await gitOverHttp(
        'clone',
        '--quiet',
        '--bare',
        `http://127.0.0.1:${port}/${key}.git`,
        copy,
      );
      return outcome;
    },
    hold(port, key): Promise<Held<Verdict>> {
      return holdAt(join(dir, `hold-${key}`), () => push(port, key, `small:refs/heads/held-${held++}`));
    },
  };
}

let held = 0;

export const gitPrograms: readonly Tested[] = [reader, writer];
