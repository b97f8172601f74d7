// What systemd's journal has, by journalctl.
import { execa } from 'execa';

export interface JournalQuery {
  /** As journalctl takes them: `_PID=42`. */
  readonly matches: readonly string[];
  /** Undefined: all. */
  readonly lines: number | undefined;
  readonly follows: boolean;
}

/** Whether the journal has a line; a text: why that is not known. */
export async function findInJournal(matches: readonly string[]): Promise<boolean | string> {
  const args = argumentsFor({ matches, lines: 1, follows: false });
  const { exitCode, stdout, stderr } = await execa('journalctl', args, { stdin: 'ignore', reject: false });
  if (exitCode === 0) return stdout !== '';
  return exitCode === undefined ? 'journalctl cannot be run' : (stderr.split('\n', 1)[0] ?? '');
}

/** Prints to our own stdout, and what is wrong to our stderr; false: journalctl has failed. */
export async function showJournal(query: JournalQuery): Promise<boolean> {
  const stdio = ['ignore', 'inherit', 'inherit'] as const;
  const { exitCode, isTerminated, signal } = await execa('journalctl', argumentsFor(query), {
    stdio,
    reject: false,
  });
  // That nobody reads any more is no failure.
  if (signal === 'SIGPIPE') return true;
  // We end as it did.
  if (isTerminated && signal !== undefined) process.kill(process.pid, signal);
  return exitCode === 0;
}

function argumentsFor({ matches, lines, follows }: JournalQuery): string[] {
  const amount = lines === undefined ? 'all' : String(lines);
  return ['--no-pager', '--quiet', '-n', amount, ...(follows ? ['-f'] : []), ...matches];
}
