// One bash that reads commands block by block, as somebody types or pastes them: variables and functions last.
import { randomUUID } from 'node:crypto';
import { execa } from 'execa';
import { atEnd, stopProcess, waitFor } from '../machine/index.ts';

export interface Ran {
  /** Standard output and standard error, as a terminal shows them. */
  output: string;
  /** Commands that ended with another status than 0, with that status. */
  failures: string[];
}

export interface RecipeShell {
  pid: number;
  run(commands: string, timeoutMs?: number): Promise<Ran>;
}

export interface ShellOptions {
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** What starts bash, with its arguments; bash itself without it. */
  wrapper?: readonly string[];
}

/** The shell ends with the running test. Daemons that it has started do not. */
export function startShell({ env, cwd, wrapper = [] }: ShellOptions): RecipeShell {
  const [command, ...args] = [...wrapper, 'bash', '--noprofile', '--norc'];
  const running = execa(command ?? 'bash', args, {
    cwd,
    env,
    extendEnv: false,
    stdin: 'pipe',
    buffer: false,
    reject: false,
    cleanup: false,
  });
  const { pid, stdin, stdout, stderr } = running.nodeChildProcess;
  if (pid === undefined || !stdin) throw new Error('could not start bash');
  let output = '';
  stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  stdin.write(`trap 'failures+=("$? from $BASH_COMMAND")' ERR\n`);
  atEnd(() => stopProcess(pid, { signal: 'SIGKILL' }));

  async function run(commands: string, timeoutMs = 30_000): Promise<Ran> {
    const id = randomUUID();
    const end = `\n${id} end\n`;
    const start = output.length;
    // As a group: bash has read the whole block before a command of it can read the rest as its input.
    stdin?.write(
      `failures=()\n{\n${commands}\n} </dev/null 2>&1\nprintf '\\n%s' '${id}' "\${failures[@]}" '${id} end'; echo\n`,
    );
    await waitFor('the end of a block', () => output.endsWith(end), { timeoutMs }).catch((cause: unknown) => {
      throw new Error(`these commands have not ended:\n${commands}\n${output.slice(start)}`, { cause });
    });
    const [printed = '', failed = ''] = output.slice(start, -end.length).split(`\n${id}`);
    return { output: printed, failures: failed.split('\n').filter(Boolean) };
  }

  return { pid, run };
}
