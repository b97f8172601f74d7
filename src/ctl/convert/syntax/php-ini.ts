// Configuration as PHP reads it for php-fpm: `;` begins a comment outside of quotes, values may be quoted, also over
// several lines, and quoted and plain pieces stand side by side.
import type { Section, Setting } from './python-ini.ts';

/** Sections in their order; what stands before the first one is the section ''. */
export function readPhpIni(text: string): Section[] {
  const sections: { name: string; settings: Setting[] }[] = [{ name: '', settings: [] }];
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const end = lineEnd(text, at);
    const raw = text.slice(at, end).trim();
    const heading = /^\[([^\]]*)\]/.exec(raw)?.[1];
    const separator = raw === '' || /^[;#]/.test(raw) || heading !== undefined ? -1 : text.indexOf('=', at);
    let next = end;
    if (heading !== undefined) sections.push({ name: heading.trim(), settings: [] });
    else if (separator >= 0 && separator < end) {
      const value = readValue(text, separator + 1);
      sections.at(-1)?.settings.push({ name: text.slice(at, separator).trim(), value: value.text, line });
      next = lineEnd(text, value.end);
    }
    for (
      let newline = text.indexOf('\n', at);
      newline >= 0 && newline <= next;
      newline = text.indexOf('\n', newline + 1)
    )
      line++;
    at = next + 1;
  }
  return sections;
}

function readValue(text: string, from: number): { text: string; end: number } {
  let value = '';
  let at = from;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '\n' || char === ';') break;
    if (char === '"' || char === "'") {
      const quoted = readQuoted(text, at);
      value = value.trim() === '' ? quoted.text : value.trimEnd() + quoted.text;
      at = quoted.end;
      // Blanks behind a closing quote are none of the value.
      while (/[ \t]/.test(text.charAt(at))) at++;
      continue;
    }
    value += char;
    at++;
  }
  const isQuoted = /["']/.test(text.slice(from, at));
  return { text: isQuoted ? value : value.trim(), end: at };
}

function readQuoted(text: string, at: number): { text: string; end: number } {
  const quote = text.charAt(at);
  let value = '';
  for (let index = at + 1; index < text.length; index++) {
    const char = text.charAt(index);
    if (char === quote) return { text: value, end: index + 1 };
    if (quote === '"' && char === '\\' && /["\\]/.test(text.charAt(index + 1))) index++;
    value += text.charAt(index);
  }
  return { text: value, end: text.length };
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

/** on, yes, true and a number but 0. */
export function isOn(value: string): boolean {
  return /^(?:on|yes|true|[1-9]\d*)$/i.test(value);
}
