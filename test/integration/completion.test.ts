// Completion in real shells, on a terminal: options and what they take, the program and its own completion, pools.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { startFake } from '../helpers/fakes/index.ts';
import { isRoot, makeTempDir, needCommands, NOBODY, runCommand } from '../helpers/machine/index.ts';
import { ctl, ctlPath, makeStateDir } from '../helpers/pool/index.ts';
import { openScreen, type ShellScreen } from '../helpers/shell/index.ts';

const commands = dirname(ctlPath);
const path = `${commands}:${process.env['PATH']}`;
const dist = join(import.meta.dirname, '../../dist/completion');

interface Shell {
  /** Of start files, by their names in HOME. */
  readonly files: Readonly<Record<string, string>>;
  readonly command: string;
  readonly needs: string;
}

const readline = `PS1='> '
for setting in 'show-all-if-ambiguous on' 'page-completions off' 'completion-query-items 0' 'bell-style none'; do
  bind "set $setting"
done
`;
const shells: Readonly<Record<string, Shell>> = {
  bash: {
    files: { rc: `${readline}eval "$(spawn-fcgictl completion bash)"\n` },
    command: 'bash --noprofile --rcfile "$HOME/rc" -i',
    needs: 'bash',
  },
  'bash with bash-completion': {
    files: {
      rc: `${readline}. /usr/share/bash-completion/bash_completion\n. ${dist}/bash/spawn-fcgi\n. ${dist}/bash/spawn-fcgictl\n`,
    },
    command: 'bash --noprofile --rcfile "$HOME/rc" -i',
    needs: 'bash',
  },
  zsh: {
    files: { '.zshrc': `PS1='> '\nfpath=(${dist}/zsh $fpath)\nautoload -Uz compinit\ncompinit -u -D\n` },
    command: 'zsh -i',
    needs: 'zsh',
  },
  fish: {
    files: {
      '.config/fish/config.fish': `set -g fish_greeting
set -g fish_autosuggestion_enabled 0
function fish_prompt; echo '> '; end
spawn-fcgictl completion fish | source
`,
    },
    command: 'fish -i',
    needs: 'fish',
  },
};

async function open(ctx: TestContext, { files, command, needs }: Shell): Promise<ShellScreen> {
  needCommands(ctx, 'tmux', needs);
  const home = makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  const dir = join(home, 'here');
  mkdirSync(join(dir, 'some place'), { recursive: true });
  for (const name of ['program', 'some place/file']) writeFileSync(join(dir, name), '', { mode: 0o755 });
  const screen = await openScreen(command, { cwd: dir, env: { HOME: home, PATH: path, SHELL: '/bin/sh' } });
  await screen.shows(/^> ?$/m);
  return screen;
}

/** Types it with a Tab behind it, and waits for what becomes of it. */
async function expectCompleted(screen: ShellScreen, typed: string, wanted: string | RegExp): Promise<string> {
  await screen.press('C-u', ` ${typed}`, 'Tab');
  return screen.shows(wanted);
}

describe.each(Object.keys(shells))('%s', (name) => {
  const shell = shells[name]!;

  test('completes options, what they take, and the program', async (ctx) => {
    const screen = await open(ctx, shell);
    await expectCompleted(screen, 'spawn-fcgi --status-so', /> spawn-fcgi --status-socket[= ]?$/m);
    await expectCompleted(screen, 'spawn-fcgi -s x -u nobo', '-s x -u nobody');
    await expectCompleted(screen, 'spawn-fcgi --group=nogr', '--group=nogroup');
    await expectCompleted(screen, 'spawn-fcgi --output jou', '--output journal');
    await expectCompleted(screen, 'spawn-fcgi --output som', String.raw`--output some\ place/`);
    await expectCompleted(screen, 'spawn-fcgi --log-format j', '--log-format json');
    await expectCompleted(screen, 'spawn-fcgi --rlimit nof', /--rlimit nofile=$/m);
    await expectCompleted(screen, 'spawn-fcgi -d so', String.raw`-d some\ place/`);
    await expectCompleted(screen, 'spawn-fcgi -P "some place/f', '-P "some place/file"');
    await expectCompleted(screen, 'spawn-fcgi -s x ./prog', '-s x ./program');
    await expectCompleted(screen, 'spawn-fcgi -s x ./program --min-u', './program --min-uptime');
    await expectCompleted(screen, 'spawn-fcgi -nF 2 -s x -- ./prog', '-- ./program');
    if (name !== 'bash') await expectCompleted(screen, 'spawn-fcgi -s x -- ls --autho', '-- ls --author');
    expect((await screen.lines()).join('\n')).not.toMatch(/error|not found|unmatched/i);
  });
});

/** With an X typed behind it, what becomes of the beginning of such a name in double and in single quotes. */
const inQuotes: Readonly<Record<string, readonly [string, string]>> = {
  bash: ['"/nowhere/dX', "'/nowhere/sX"],
  zsh: [String.raw`"/nowhere/double\$(touch evil)"`, String.raw`'/nowhere/single'\''$(touch evil)'`],
  fish: [String.raw`"/nowhere/double\$(touch evil)"`, String.raw`'/nowhere/single\'$(touch evil)'`],
};

test.for(Object.keys(inQuotes))(
  '%s completes nothing in quotes that whoever presses Enter would run',
  async (name, ctx) => {
    const stateDir = makeStateDir();
    await startFake(stateDir, { address: '/nowhere/double$(touch evil)' });
    await startFake(stateDir, { address: "/nowhere/single'$(touch evil)" });
    const screen = await open(ctx, shells[name]!);
    const [double, single] = inQuotes[name]!;
    const type = (start: string): Promise<void> =>
      screen.press('C-u', ` spawn-fcgictl --state-dir ${stateDir} ping ${start}`, 'Tab', 'X');
    await type('"/nowhere/d');
    await screen.shows(double);
    await type("'/nowhere/s");
    await screen.shows(single);
  },
);

test.for(['bash', 'zsh', 'fish'])(
  '%s completes commands of spawn-fcgictl and the pools that run',
  async (name, ctx) => {
    const shell = shells[name]!;
    const stateDir = makeStateDir();
    await startFake(stateDir, { state: { pidFile: '/run/first.pid' } });
    await startFake(stateDir, { address: '/run/q shop.sock', state: { name: 'shop' } });
    const screen = await open(ctx, shell);
    const ctlWord = `spawn-fcgictl --state-dir ${stateDir}`;
    await expectCompleted(screen, 'spawn-fcgictl --timeout 2s stat', '--timeout 2s status');
    await expectCompleted(screen, 'spawn-fcgictl reload --ea', 'reload --early');
    await expectCompleted(screen, 'spawn-fcgictl completion zs', 'completion zsh');
    await expectCompleted(screen, 'spawn-fcgictl convert prog', 'convert program');
    await expectCompleted(screen, `${ctlWord} reload 127`, `reload 127.0.0.1:9000`);
    await expectCompleted(screen, `${ctlWord} reload /run/fir`, `reload /run/first.pid`);
    await expectCompleted(screen, `${ctlWord} reload /run/q`, String.raw`reload /run/q\ shop.sock`);
    await expectCompleted(
      screen,
      `${ctlWord} metrics 127.0.0.1:9000 /run/q`,
      String.raw`9000 /run/q\ shop.sock`,
    );
    const isTold = shell.needs !== 'bash';
    await expectCompleted(
      screen,
      `${ctlWord} stop /run/`,
      isTold ? /q shop\.sock +\(?shop/ : /q\\ shop\.sock/,
    );
    await screen.press('Escape', 'C-u', ` ${ctlWord}x status `, 'Tab', ` end`);
    expect(await screen.shows('end')).not.toContain('spawn-fcgictl:');
  },
);

test('a spawn-fcgictl that hangs holds the shell up for two seconds', async (ctx) => {
  const screen = await open(ctx, shells['bash']!);
  const dir = makeTempDir();
  writeFileSync(join(dir, 'spawn-fcgictl'), '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
  await expectCompleted(screen, `${dir}/spawn-fcgictl status x`, 'status x');
  await screen.press(' yz');
  await screen.shows('status xyz');
});

test('targets are those that the caller may see, and none is no mistake', async () => {
  const empty = await ctl(makeStateDir(), ['completion', 'targets']);
  expect(empty).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const { stateDir } = await startFake(makeStateDir());
  const own = await ctl(stateDir, ['completion', 'targets']);
  expect(own.stdout).toBe(`127.0.0.1:9000\tphp-cgi\n${process.pid}\tphp-cgi on 127.0.0.1:9000\n`);
  if (!isRoot) return;
  const as = { uid: NOBODY, gid: NOBODY, env: { PATH: path } };
  const { status, stderr } = await runCommand(ctlPath, ['completion', 'targets'], as);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
