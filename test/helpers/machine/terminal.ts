/**
 * A shell line on a terminal of its own, which script(1) makes: keys in, and what is drawn on it out.
 */
import { spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { atEnd } from './cleanup.ts';
import { childrenOf, readProcess } from './processes.ts';
import { waitFor } from './wait-for.ts';

export interface Terminal {
  press(keys: string): void;
  /** Everything so far, with its escape sequences. */
  output(): string;
  /** The lines of the last frame that was drawn whole, without escape sequences. */
  frame(): string[];
  /** How many frames were drawn. */
  frames(): number;
  /** The PID of the program with this file name that the line has started. */
  pidOf(name: string): Promise<number>;
  /** Resolves with the line's exit status. */
  ended: Promise<number | null>;
}

const home = '\x1b[H';

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Record<string, string | undefined>;
}

/** The words of `args` are "$@" in the line. */
export function onTerminal(
  line: string,
  args: readonly string[],
  { columns = 80, rows = 24, env = {} }: TerminalOptions = {},
): Terminal {
  const words = args.map((arg) => `'${arg}'`).join(' ');
  const script = `stty rows ${rows} cols ${columns}; set -- ${words}; ${line}`;
  const child = spawn('script', ['-qfec', script, '/dev/null'], {
    env: {
      ...process.env,
      TERM: 'xterm',
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      SHELL: '/bin/sh',
      ...env,
    },
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  atEnd(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    press: (keys) => child.stdin.write(keys),
    output: () => output,
    frame: () => linesOf(output.split(home).at(-1) ?? ''),
    frames: () => output.split(home).length - 1,
    pidOf: (name) => waitFor(name, () => descendants(child.pid ?? 0).find((pid) => isProgram(pid, name))),
    ended,
  };
}

function linesOf(drawn: string): string[] {
  return stripVTControlCharacters(drawn).replaceAll('\r', '').split('\n');
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function isProgram(pid: number, name: string): boolean {
  return readProcess(pid)?.args.some((arg) => arg.endsWith(`/${name}`)) === true;
}
