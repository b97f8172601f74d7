/**
 * A program on a terminal of tmux, and what stands on its screen: for shells, which draw the line that is typed again and
 * again.
 */
import { join } from 'node:path';
import { atEnd, makeTempDir, runCommand, waitFor, type RunResult } from '../machine/index.ts';

export interface ShellScreen {
  /** Keys by the names of tmux (`Tab`, `C-u`), or text with a space before it. */
  press(...keys: readonly string[]): Promise<void>;
  /** What is on the screen, without empty lines at the end. */
  lines(): Promise<string[]>;
  /** Waits until the screen shows it. */
  shows(what: string | RegExp): Promise<string>;
}

export interface ScreenOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export async function openScreen(command: string, options: ScreenOptions = {}): Promise<ShellScreen> {
  const { columns = 120, rows = 40, cwd = '/', env = {} } = options;
  const socket = join(makeTempDir(), 'tmux');
  const tmux = (...args: readonly string[]): Promise<RunResult> =>
    runCommand('tmux', ['-S', socket, '-f', '/dev/null', ...args], {
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', TERM: 'xterm', ...env },
    });
  atEnd(async () => {
    await tmux('kill-server');
  });
  const size = ['-x', String(columns), '-y', String(rows)];
  const opened = await tmux('new-session', '-d', ...size, '-c', cwd, command);
  if (opened.status !== 0) throw new Error(`tmux: ${opened.stderr}`);
  const lines = async (): Promise<string[]> =>
    (await tmux('capture-pane', '-p')).stdout.trimEnd().split('\n');
  return {
    press: async (...keys) => {
      const sent = keys.map((key) => (key.startsWith(' ') ? ['-l', '--', key.slice(1)] : [key]));
      await tmux(...sent.flatMap((key, at) => [...(at === 0 ? [] : [';']), 'send-keys', ...key]));
    },
    lines,
    shows: async (what) => {
      let seen = '';
      const isThere = async (): Promise<boolean> => {
        seen = (await lines()).join('\n');
        return typeof what === 'string' ? seen.includes(what) : what.test(seen);
      };
      await waitFor(`${what}`, isThere, { intervalMs: 20 }).catch((error: unknown) => {
        throw new Error(`${String(error)}; the screen is\n${seen}`);
      });
      return seen;
    },
  };
}
