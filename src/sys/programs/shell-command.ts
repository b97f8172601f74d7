// A command of a user's, run by the shell.
import { execa } from 'execa';

export interface ShellCommand {
  /** For /bin/sh. */
  readonly text: string;
  readonly input: string;
  /** Besides those that we have. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Runs it to its end, in our own process group: whoever ends us from a terminal ends it, too. Undefined: it exited with 0,
 * else how it ended, for people. That it does not read its input is no failure.
 */
export async function runShellCommand({ text, input, variables }: ShellCommand): Promise<string | undefined> {
  const { exitCode, signal, shortMessage } = await execa('/bin/sh', ['-c', text], {
    env: variables,
    input,
    stdout: 'inherit',
    stderr: 'inherit',
    buffer: false,
    reject: false,
  });
  if (exitCode === 0) return undefined;
  if (signal !== undefined) return `was killed by ${signal}`;
  return exitCode === undefined ? `cannot be run: ${shortMessage}` : `exited with ${exitCode}`;
}
