// Types in the commands of docs/install.md, as root, each section in a mount namespace whose /usr, /opt and /etc are
// copies: what it installs and diverts is gone with the namespace. Packages come from npm's cache where it has them.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test, type TestContext } from 'vitest';
import { missing, runCommand, makeTempDir } from '../helpers/machine/index.ts';
import { referencePath } from '../helpers/pool/index.ts';

const project = join(import.meta.dirname, '../..');
const page = readFileSync(join(project, 'docs/install.md'), 'utf8');
const readme = readFileSync(join(project, 'README.md'), 'utf8');
const ours = /^spawn-fcgi v2\./;
const debians = /^spawn-fcgi v1\./;

/** A clone that has its tools already, as links: were they judged old, npm would remove the links only. */
let clone: string;

/** npm keeps compiled code in the temporary directory otherwise. */
const quiet = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' };

const copied = ['/usr', '/opt', '/etc', '/var/lib/dpkg', '/var/log'];
/** Overlays, whose upper layers are in memory. */
const namespace = [
  'layers=$(mktemp -d); mount -t tmpfs none "$layers"',
  `for dir in ${copied.join(' ')}; do`,
  '  mkdir -p "$layers$dir/upper" "$layers$dir/work"',
  '  mount -t overlay overlay -o "lowerdir=$dir,upperdir=$layers$dir/upper,workdir=$layers$dir/work" "$dir"',
  'done',
  // The directory for other programs' temporary files is the machine's; this one need not stay in it.
  'umount -l "$layers"; rmdir "$layers"',
].join('\n');

/** What one types in a section, without what stands for another machine. */
function commandsOf(section: string): string {
  const text = page.split(`\n## ${section}\n`)[1]?.split(/^## /m)[0] ?? '';
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, commands]) => commands);
  if (blocks.length === 0) throw new Error(`the page has no commands in a section "${section}"`);
  return blocks.join('');
}

/** Runs them; the versions of spawn-fcgi that they showed. */
function typeIn(section: string, before = '', after = ''): Promise<string[]> {
  return typeAll(before, commandsOf(section), after);
}

async function typeAll(...scripts: string[]): Promise<string[]> {
  const [before, ...rest] = scripts;
  const script = [namespace, before, 'cd "$1"', ...rest].join('\n');
  const result = await runCommand('unshare', ['--mount', 'bash', '-euc', script, 'bash', clone], {
    timeoutMs: 240_000,
    cwd: '/',
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: makeTempDir(),
      npm_config_cache: spawnSync('npm', ['config', 'get', 'cache'], {
        env: quiet,
        encoding: 'utf8',
      }).stdout.trim(),
      npm_config_prefer_offline: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      npm_config_update_notifier: 'false',
      NODE_DISABLE_COMPILE_CACHE: '1',
    },
  });
  expect(result.status, `${result.stdout}\n${result.stderr}`).toBe(0);
  return result.stdout.split('\n').filter((line) => /^spawn-fcgi v\d/.test(line));
}

function needMachine(ctx: TestContext): void {
  const reason = missing({ root: true, commands: ['unshare', 'npm', 'dpkg-divert', referencePath] });
  ctx.skip(reason !== undefined, reason);
  const tried = spawnSync('unshare', ['--mount', 'bash', '-euc', namespace]);
  ctx.skip(tried.status !== 0, 'needs mount namespaces and overlayfs');
}

/** npm's package "node" asks the registry for the one of its platform. */
function needRegistry(ctx: TestContext): void {
  const asked = spawnSync('npm', ['view', 'node@24', 'version', '--prefer-online', '--fetch-retries=0'], {
    env: quiet,
  });
  ctx.skip(asked.status !== 0, "needs npm's registry");
}

/** Npm unpacks Node's 120 MB, maybe on a busy machine. */
const patient = { timeout: 240_000 };

beforeAll(() => {
  clone = join(makeTempDir(), 'clone');
  mkdirSync(join(clone, 'test'), { recursive: true });
  const parts = [
    'package.json',
    'package-lock.json',
    'bin',
    'docs',
    'src',
    'dist',
    'test/prepare.sh',
    'CHANGELOG.md',
  ];
  for (const part of parts)
    cpSync(join(project, part), join(clone, part), { recursive: true, preserveTimestamps: true });
  const tools = join(project, 'node_modules');
  mkdirSync(join(clone, 'node_modules'));
  for (const name of readdirSync(tools)) symlinkSync(join(tools, name), join(clone, 'node_modules', name));
  rmSync(join(clone, 'node_modules/.package-lock.json'), { force: true });
  writeFileSync(join(clone, 'node_modules/.package-lock.json'), '');
  const command = ['-euc', commandsOf('The package file')];
  const packed = spawnSync('bash', command, { cwd: clone, env: quiet, encoding: 'utf8' });
  if (packed.status !== 0) throw new Error(packed.stderr);
});

test('The package file: npm pack makes it', () => {
  expect(readdirSync(clone)).toContain('spawn-fcgi-2.0.0.tgz');
});

/** A Node that is new enough, where the machine's is not. */
const node = `mkdir -p /opt/node/bin; cp '${process.execPath}' /opt/node/bin/node`;

test("README's two commands", patient, async (ctx) => {
  needMachine(ctx);
  const commands = /^```sh\n(npm pack\n[^]*?)^```$/m.exec(readme)?.[1] ?? 'false\n';
  expect(await typeAll(node, commands, 'hash -r; spawn-fcgi -v')).toEqual([expect.stringMatching(ours)]);
});

test("npm's own prefix", patient, async (ctx) => {
  needMachine(ctx);
  expect(await typeIn("npm's own prefix", `${node}; rm ${referencePath}`)).toEqual([
    expect.stringMatching(ours),
  ]);
});

test(
  "Debian's package spawn-fcgi is there: beside it, in its place, back, and to and fro",
  patient,
  async (ctx) => {
    needMachine(ctx);
    const after = `${referencePath} -v; dpkg-divert --list ${referencePath}`;
    const versions = await typeIn("Debian's package spawn-fcgi is there", node, after);
    const expected = [ours, ours, debians, ours, debians, ours];
    expect(versions).toEqual(expected.map((version) => expect.stringMatching(version) as string));
  },
);

test('Completion and manual pages: where shells and man look for them', patient, async (ctx) => {
  needMachine(ctx);
  const reason = missing({ commands: ['man', 'zsh', 'fish'] });
  ctx.skip(reason !== undefined, reason);
  const after = [
    'man -w spawn-fcgi spawn-fcgictl spawn-fcgi-events',
    `bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader spawn-fcgictl; complete -p spawn-fcgictl'`,
    `zsh -fc 'autoload -Uz compinit; compinit -u -D; [[ $_comps[spawn-fcgictl] = _spawn-fcgictl ]]'`,
    `fish -c 'complete -C "spawn-fcgi --status-so"' | grep -e '^--status-socket'`,
    'spawn-fcgictl completion bash | grep -c "^complete " | grep 2',
  ].join('\n');
  await typeIn('Completion and manual pages', node, after);
});

test("The distribution's Node is too old: npm brings one that the command takes", patient, async (ctx) => {
  needMachine(ctx);
  needRegistry(ctx);
  // Nothing else in the usual places would do.
  const before = 'rm -rf /opt/* /usr/local/bin/node';
  const after = 'readlink -f /opt/node/bin/node; /opt/node/bin/node --version | grep ^v24';
  expect(await typeIn("The distribution's Node is too old", before, after)).toEqual([
    expect.stringMatching(ours),
  ]);
});

test('A prefix of your own', patient, async (ctx) => {
  needMachine(ctx);
  needRegistry(ctx);
  expect(await typeIn('A prefix of your own', 'rm -rf /opt/*')).toEqual([expect.stringMatching(ours)]);
});

test('Uninstalling leaves nothing', patient, async (ctx) => {
  needMachine(ctx);
  const after = '! ls -d /usr/local/bin/spawn-fcgi* /usr/local/lib/node_modules/spawn-fcgi';
  await typeIn('Uninstalling', '', after);
});
