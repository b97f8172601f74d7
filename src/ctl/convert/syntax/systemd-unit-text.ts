// Units as systemd reads them: lines that go on behind a backslash, words by quotes, `%` specifiers.
import type { Draft } from '../wanted-pool.ts';

export interface UnitSetting {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

/** An empty value takes back what was there before, as systemd does. */
export function readUnit(text: string): UnitSetting[] {
  let settings: UnitSetting[] = [];
  let section = '';
  for (const line of joinLines(text)) {
    const heading = /^\[([^\]]+)\]/.exec(line)?.[1];
    const separator = line.indexOf('=');
    if (heading !== undefined) section = heading;
    else if (separator > 0) {
      const name = line.slice(0, separator).trim();
      const value = line.slice(separator + 1).trim();
      if (value === '') settings = settings.filter((one) => one.name !== name || one.section !== section);
      else settings.push({ section, name, value });
    }
  }
  return settings;
}

function joinLines(text: string): string[] {
  const joined: string[] = [];
  let goesOn = false;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (/^[#;]/.test(line) || (line === '' && !goesOn)) continue;
    const part = line.replace(/\\$/, ' ');
    if (goesOn) joined.push((joined.pop() ?? '') + part);
    else joined.push(part);
    goesOn = line.endsWith('\\');
  }
  return joined;
}

/** Words by systemd's quotes; `%i` and its like are filled in where the file's name says them. */
export function systemdWords(text: string, unit: string, draft: Draft): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '\\') {
      const hex = /^x([\da-fA-F]{2})/.exec(text.slice(at + 1, at + 4))?.[1];
      word = (word ?? '') + (hex === undefined ? unescape(text.charAt(at + 1)) : fromHex(hex));
      at += hex === undefined ? 1 : 3;
    } else if (quote === '' && /["']/.test(char)) {
      quote = char;
      word ??= '';
    } else if (char === quote) quote = '';
    else if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words.map((one) => expandSpecifiers(one, unit, draft));
}

/** Bytes of more than ASCII would have to be put together. */
function fromHex(hex: string): string {
  return /^[0-7]/.test(hex) ? String.fromCharCode(Number.parseInt(hex, 16)) : `\\x${hex}`;
}

function unescape(char: string): string {
  return { n: '\n', t: '\t', s: ' ' }[char] ?? char;
}

/** Of a system's unit. */
export function expandSpecifiers(text: string, unit: string, draft: Draft): string {
  const [prefix = '', instance = ''] = unit.split('@');
  const known: Record<string, string> = {
    '%': '%',
    t: '/run',
    S: '/var/lib',
    C: '/var/cache',
    L: '/var/log',
    n: `${unit}.service`,
    N: unit,
    p: prefix,
    i: instance,
    I: instance,
  };
  return text.replaceAll(/%(.)/g, (source, letter: string) => {
    const value = known[letter];
    if (value === undefined || (value === '' && /^[iI]$/.test(letter)))
      draft.lose(`${source} in ${text}: it is filled in by systemd, and not here`);
    return value === undefined || value === '' ? source : value;
  });
}
