// Compares what a command printed with what a page shows of it: in shape, since PIDs, times, sizes and who happens to be
// busy are other ones each time.

export interface TypedCommand {
  /** As somebody types it behind the sign: `#` is root, `$` an ordinary user. */
  readonly command: string;
  readonly isRoot: boolean;
  /** What the page shows below it; empty where it shows nothing. */
  readonly shown: readonly string[];
}

/** A transcript's commands; a line that ends in a backslash goes on with the next one. */
export function readTranscript(text: string): TypedCommand[] {
  const lines = text.replaceAll('\\\n', ' ').trimEnd().split('\n');
  const commands: { command: string; isRoot: boolean; shown: string[] }[] = [];
  for (const line of lines) {
    const [, sign, command] = /^([#$]) (.*)$/.exec(line) ?? [];
    if (command !== undefined) commands.push({ command, isRoot: sign === '#', shown: [] });
    else if (commands.length === 0)
      throw new Error(`a transcript begins with "# COMMAND" or "$ COMMAND": ${line}`);
    else commands.at(-1)?.shown.push(line);
  }
  return commands;
}

/** Of a kind: any of them will do for each other. */
const kinds = [
  String.raw`(?:\d+(?:\.\d+)?(?:ms|[smhd]))+`,
  String.raw`\d+(?:\.\d+)?[KMG]B?`,
  String.raw`\d+(?:[.,]\d+)*`,
  '(?:idle|busy)',
];
const anyKind = new RegExp(kinds.map((kind) => `(${kind})`).join('|'), 'g');
const address = /^(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?[,:]?$/;

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

/** A word as a pattern; `…` is anything. */
function patternOf(word: string): string {
  if (address.test(word)) return escape(word);
  let pattern = '';
  let end = 0;
  for (const match of word.matchAll(anyKind)) {
    pattern += literal(word.slice(end, match.index));
    pattern += kinds[match.slice(1).findIndex((group) => group !== undefined)];
    end = match.index + match[0].length;
  }
  return pattern + literal(word.slice(end));
}

function literal(text: string): string {
  return text
    .split('…')
    .map((part) => (part === '' ? '' : escape(part)))
    .join('.*');
}

function matches(shown: string, seen: string): boolean {
  const words = shown.trim().split(/\s+/);
  return new RegExp(`^\\s*${words.map(patternOf).join('\\s+')}\\s*$`).test(seen);
}

/** What differs first; undefined when it has the shape. A line that is `…` alone stands for any number of them. */
export function differenceInShape(shown: readonly string[], seen: readonly string[]): string | undefined {
  let at = 0;
  let mayPass = false;
  for (const line of shown) {
    if (line.trim() === '…') {
      mayPass = true;
      continue;
    }
    const found = seen.findIndex(
      (one, index) => index >= at && (mayPass || index === at) && matches(line, one),
    );
    if (found === -1) return `the page shows "${line}", and there is "${seen.slice(at).join('\n')}"`;
    [at, mayPass] = [found + 1, false];
  }
  return mayPass || at === seen.length ? undefined : `the page does not show "${seen.slice(at).join('\n')}"`;
}
