/**
 * Runs a program to its end and says how it ended. Never rejects for a status
 * or a signal; kills at the timeout. The end is that of its output, too: a
 * daemon that keeps the caller's stdout open shows as `timedOut`.
 */
import { execa } from 'execa';

export interface RunOptions {
  cwd?: string;
  /** The complete environment; without it, that of the test runner. */
  env?: Record<string, string | undefined>;
  uid?: number;
  gid?: number;
  /** Text for stdin; without it stdin is /dev/null. */
  input?: string;
  umask?: number;
  timeoutMs?: number;
  argv0?: string;
}

export interface RunResult {
  /** Exit status, or null after a signal or when the program could not be started. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

export async function runCommand(
  file: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const running = withUmask(options.umask, () => startExeca(file, args, options));
  const result = await running;
  return {
    status: result.exitCode ?? null,
    signal: result.signal ?? null,
    stdout: result.stdout,
    stderr:
      result.exitCode === undefined && result.signal === undefined ? String(result.message) : result.stderr,
    timedOut: result.timedOut,
  };
}

function startExeca(file: string, args: readonly string[], options: RunOptions) {
  const { cwd, env, uid, gid, input, argv0, timeoutMs = 30_000 } = options;
  return execa(file, args, {
    reject: false,
    stripFinalNewline: false,
    timeout: timeoutMs,
    killSignal: 'SIGKILL' as const,
    extendEnv: env === undefined,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(argv0 === undefined ? {} : { argv0 }),
  });
}

/** A child inherits the umask at the moment of the spawn, which is synchronous. */
export function withUmask<T>(umask: number | undefined, spawn: () => T): T {
  if (umask === undefined) return spawn();
  const before = process.umask(umask);
  try {
    return spawn();
  } finally {
    process.umask(before);
  }
}
