// Options of commands that run another one, in front of it.
import type { Field } from './expand.ts';

/** From the first word on that is no option; letters of `taking` and names of `takingLong` have a value behind them. */
export function behindOptions(
  words: readonly Field[],
  taking: string,
  takingLong: readonly string[] = [],
): readonly Field[] {
  let index = 0;
  for (; index < words.length; index++) {
    const text = words[index]?.text ?? '';
    if (text === '--') return words.slice(index + 1);
    if (!text.startsWith('-') || text === '') break;
    if (takingLong.includes(text)) index++;
    else if (!text.startsWith('--') && taking.includes(text.slice(1, 2)) && text.length === 2) index++;
  }
  return words.slice(index);
}

/** The options in front of what is wrapped. */
export function before(words: readonly Field[], inner: readonly Field[]): readonly Field[] {
  return words.slice(0, words.length - inner.length);
}

export function fieldBehind(words: readonly Field[], option: RegExp): Field | undefined {
  const index = words.findIndex(({ text }) => option.test(text));
  return index < 0 ? undefined : words[index + 1];
}

export function valueOf(words: readonly Field[], option: RegExp): string | undefined {
  return fieldBehind(words, option)?.text;
}

export function longField(words: readonly Field[], name: string): Field | undefined {
  const found = words.find(({ text }) => text.startsWith(`--${name}=`));
  return found && { ...found, text: found.text.slice(name.length + 3) };
}

export function longValue(words: readonly Field[], name: string): string | undefined {
  return longField(words, name)?.text;
}
