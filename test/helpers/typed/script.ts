// A page's blocks as one shell script: each block and each command of a transcript behind a mark, so that what it printed
// and where it failed can be told. Configurations are put where their server looks, and judged by it.
import type { Fence } from '../pages/markdown.ts';
import { judges, quote } from './judges.ts';
import { readTranscript } from './shape.ts';

export interface TypedStep {
  /** The page and the line of its fence. */
  readonly at: string;
  readonly script: string;
  /** What must have been printed, if the page shows it. */
  readonly shown: readonly string[];
}

const mark = '@@ ';

/** `before` stands in front of the block in which its key occurs. */
export function stepsOf(fences: readonly Fence[], before: Readonly<Record<string, string>>): TypedStep[] {
  const left = new Set(Object.keys(before));
  const steps = fences.flatMap((fence) => {
    const keys = [...left].filter((key) => fence.text.includes(key));
    for (const key of keys) left.delete(key);
    const prepared = keys.map((key) => before[key] ?? '').join('\n');
    const own = stepsOfFence(fence);
    const stage = { at: `${fence.page}:${fence.line}, before it`, script: prepared, shown: [] };
    return keys.length > 0 ? [stage, ...own] : own;
  });
  if (left.size > 0) throw new Error(`the page has no block with ${JSON.stringify([...left])}`);
  return steps;
}

function stepsOfFence({ page, line, info, text }: Fence): TypedStep[] {
  const at = `${page}:${line}`;
  const [language = '', kind = ''] = info.split(' ');
  if (language === 'console') {
    return readTranscript(text).map(({ command, isRoot, shown }) => ({
      at: `${at}: ${command}`,
      script: judged(asUser(command, isRoot), kind === 'fails'),
      shown,
    }));
  }
  if (language !== 'sh')
    return [{ at, script: judges[info]?.(text) ?? `echo "nobody judges ${info}" >&2; false`, shown: [] }];
  if (kind === 'fails') return [{ at, script: judged(`( set -e\n${text})`, true), shown: [] }];
  if (kind === 'stays') return [{ at, script: staying(text), shown: [] }];
  return [{ at, script: text, shown: [] }];
}

function asUser(command: string, isRoot: boolean): string {
  if (isRoot) return command;
  return `setpriv --reuid=1000 --regid=1000 --clear-groups bash -c ${quote(command)}`;
}

/** In a session of its own; goes on when it has printed something, or has lived for two seconds. */
function staying(text: string): string {
  return `said=/run/stays.\${#stays[@]}
setsid bash -c ${quote(text)} >$said 2>&1 &
stays+=($!)
for try in $(seq 20); do
  sleep 0.1
  if ! kill -0 $!; then cat $said >&2; false; fi
  if [ -s $said ]; then break; fi
done`;
}

/** Succeeds when it does as the page has it. */
function judged(command: string, shouldFail: boolean): string {
  return shouldFail ? `if ${command}; then false; fi` : command;
}

/** On both streams. */
function say(name: string): string {
  return `printf '\\n${mark}%s\\n' '${name}'; printf '\\n${mark}%s\\n' '${name}' >&2`;
}

/** Stops at the first command that fails, as `set -e` has it, and says which one it was. */
export function scriptOf(steps: readonly TypedStep[]): string {
  const parts = steps.map(({ script }, index) => `${say(String(index))}\n${script}`);
  return [
    `set -eE; trap 'echo "failed: $BASH_COMMAND" >&2' ERR; stays=()`,
    ...parts,
    say('end'),
    `for one in "\${stays[@]}"; do kill -TERM -- "-$one"; done`,
    '',
  ].join('\n');
}

/** The lines that each step printed, by its number; without those of blank space at the end. */
export function partsOf(output: string): Map<string, string[]> {
  const parts = output.split(new RegExp(`^${mark}`, 'm')).slice(1);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n');
      return [
        part.slice(0, end),
        part
          .slice(end + 1)
          .trimEnd()
          .split('\n'),
      ];
    }),
  );
}
