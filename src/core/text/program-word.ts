// The first word of a program's command line, as its process shows it: what init scripts compare in /proc/PID/cmdline.
import type { Program } from '../config.ts';

/** The program as written, the first argument of execve(2); empty where there is none. */
export function programWord(program: Program): string {
  return program.kind === 'argv' ? program.argv[0] : shellWord(program.command);
}

const quoted = String.raw`'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])`;
const word = String.raw`(?:${quoted}|[^ \t\n;&|<>()'"\\])+`;
const leadingWord = new RegExp(`^${word}`);
const redirections = new RegExp(String.raw`^(?:[ \t\n]*\d*(?:<>|>>|>\||[<>]&?)[ \t]*${word})*[ \t\n]*`);

/** The word that `sh -c "exec COMMAND"` executes. What only a shell knows, such as the value of `$PHP`, stays as written. */
function shellWord(command: string): string {
  const joined = command.replaceAll('\\\n', '');
  const found = leadingWord.exec(joined.replace(redirections, ''))?.[0] ?? '';
  return found.replaceAll(
    new RegExp(quoted, 'g'),
    (_all, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replaceAll(/\\([$`"\\])/g, '$1') ?? escaped ?? '',
  );
}

/** What is behind the last slash but one at the end, as basename(1) has it; empty for the root directory. */
export function baseName(path: string): string {
  return /([^/]*)\/*$/.exec(path)?.[1] ?? '';
}
