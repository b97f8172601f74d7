// How systemd reads words: in a unit's command lines and Environment= (systemd.service(5), systemd.syntax(7)), and in the
// files of EnvironmentFile= (systemd.exec(5)). None of it is what a shell does.

const safe = /^[\w@+=:,./-]+$/;

/** A word of ExecStart=: there `%` and `$` mean something, in quotes, too. */
export function unitWord(word: string): string {
  if (safe.test(word)) return word;
  return quoted(word.replaceAll('$', '$$$$'));
}

/** A value of Environment=: `%` means something, `$` does not. */
export function unitValue(text: string): string {
  return quoted(text);
}

function quoted(text: string): string {
  const escaped = text
    .replaceAll(/[\\"]/g, String.raw`\$&`)
    .replaceAll('%', '%%')
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\t', String.raw`\t`);
  return `"${escaped}"`;
}

/** A value in a file of EnvironmentFile=: nothing is expanded, four characters are escaped. */
export function envFileValue(text: string): string {
  return safe.test(text) ? text : `"${text.replaceAll(/[\\"$`]/g, String.raw`\$&`)}"`;
}

/** Several words in one such value, which `$NAME` in a unit splits again: by quotes and backslashes. */
export function joinedValue(words: readonly string[]): string {
  const joined = words.map((word) =>
    safe.test(word) ? word : `"${word.replaceAll(/[\\"]/g, String.raw`\$&`)}"`,
  );
  return joined.length === 0 ? '' : envFileValue(joined.join(' '));
}
