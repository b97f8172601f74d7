// Configuration as Python's RawConfigParser reads it for supervisord: values that go on in indented lines, comments behind
// ` ;` and ` #`, names in small letters; the whole may be indented. A library would be of one dialect, and each of our
// inputs has another one.

export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

export interface Section {
  readonly name: string;
  readonly settings: readonly Setting[];
}

interface Open {
  name: string;
  settings: { name: string; value: string; line: number }[];
}

/** Sections in their order; one that comes twice goes on where it was. */
export function readPythonIni(text: string): Section[] {
  const sections = new Map<string, Open>();
  let section: Open | undefined;
  let setting: Open['settings'][number] | undefined;
  let indent = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = /^\s*[#;]/.test(raw) ? '' : cutComment(raw);
    if (line.trim() === '') continue;
    const ownIndent = line.search(/\S/);
    if (ownIndent > indent && setting) {
      setting.value += `\n${line.trim()}`;
      continue;
    }
    indent = ownIndent;
    const heading = /^\s*\[([^\]]+)\]/.exec(line)?.[1];
    if (heading !== undefined) {
      section = sections.get(heading) ?? { name: heading, settings: [] };
      sections.set(heading, section);
      setting = undefined;
      continue;
    }
    const separator = line.search(/[=:]/);
    if (!section || separator <= 0) continue;
    const [name, value] = [line.slice(0, separator), line.slice(separator + 1)];
    setting = { name: name.trim().toLowerCase(), value: value.trim(), line: index + 1 };
    section.settings.push(setting);
  }
  return [...sections.values()];
}

/** From a `;` or a `#` on that stands behind a blank. */
function cutComment(line: string): string {
  const at = /\s[;#]/.exec(line)?.index;
  return at === undefined ? line : line.slice(0, at);
}
