// What a kind of input is: how it is told from others, and how it is read. Everything here is text in, pools out.
import type { Converted } from '../wanted-pool.ts';

export interface Source {
  /** As it was given; `standard input` for `-`. */
  readonly path: string;
  readonly text: string;
}

export interface Included extends Source {
  /** Why there is no text; the text is empty then. */
  readonly refusal?: string;
}

/** What a kind may ask for besides the text. */
export interface Surroundings {
  /** Files that a pattern in `source` stands for, as the original finds them: sorted, relative ones beside `source`. */
  include(pattern: string, source: Source): readonly Included[];
  /** Of the caller: for `%(ENV_NAME)s` and its like. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** --program: what runs in place of what cannot (php-fpm, uWSGI). */
  readonly program: string | undefined;
}

export interface Kind {
  /** As --kind calls it. */
  readonly name: string;
  /** For people: `supervisord's [fcgi-program:x]`. */
  readonly title: string;
  matches(source: Source): boolean;
  read(source: Source, surroundings: Surroundings): Converted;
}

/** Lines that say something: no comments, no blank ones. */
export function lines(text: string, comment = /^\s*[#;]/): string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && !comment.test(line));
}
