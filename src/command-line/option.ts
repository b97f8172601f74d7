// What is known of an option: one row of the table of options, from which the parser, -h, the lists of options that need
// root or a supervisor, and the tables of the pages are made.

export interface OptionRow {
  /** The name of its value in RawOptions. */
  readonly key: string;
  readonly short?: string;
  readonly alsoShort?: string;
  readonly long: string;
  /** Its argument as -h writes it, such as `<time>`; an option without one is a switch. */
  readonly argument?: string;
  /** The argument as pages write it, where that is not the same in capitals. */
  readonly metavar?: string;
  /** It may be given again, and each time counts: its value is a list. */
  readonly repeats?: true;
  /** What a switch sets, if not true. */
  readonly sets?: false;
  /** For -h, on one line; `{default}` stands for the default. */
  readonly help: string;
  /** For docs/options.md, in Markdown, where it has more to say than -h; `{default}` as in `help`. */
  readonly details?: string;
  readonly section: Section;
  /** Ignored with a hint for anybody else. */
  readonly needsRoot?: true;
  /** Only a supervisor can honour it: excluded by --no-supervise, and -n with it is a supervisor. */
  readonly needsSupervisor?: true;
  /** The first version that has it; 1.6 is lighttpd's. */
  readonly since: '1.6' | '2.0';
  readonly default?: string;
  /** What its argument may be, or how it may begin, for completion by a shell. */
  readonly words?: readonly string[];
  /** Its argument may be a path, which what it is called does not tell. */
  readonly takesPath?: true;
}

/** Where -h lists it. */
export type Section = 'general' | 'root' | 'model' | 'supervision' | 'guards';

/** Its letters as they are typed. */
export function shortForms({ short, alsoShort }: OptionRow): string[] {
  return [short, alsoShort].filter((letter) => letter !== undefined).map((letter) => `-${letter}`);
}

/** A text of the row with its default. */
export function fillIn(text: string, option: Pick<OptionRow, 'default'>): string {
  return text.replace('{default}', option.default ?? '');
}
