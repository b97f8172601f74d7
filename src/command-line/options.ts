// The table of options, and what is made of it: the parser's list, the values that a command line has, who may use
// which. Values are judged in parse-config.
import { generalOptions } from './general-options.ts';
import type { OptionSyntax } from './getopt.ts';
import { guardOptions } from './guard-options.ts';
import { monitoringOptions } from './monitoring-options.ts';
import type { OptionRow } from './option.ts';
import { spareOption } from './spare-option.ts';
import { supervisionOptions } from './supervision-options.ts';
import { workerOptions } from './worker-options.ts';

const rows = [
  ...generalOptions,
  ...workerOptions,
  ...supervisionOptions,
  spareOption,
  ...guardOptions,
  ...monitoringOptions,
] as const;
type Row = (typeof rows)[number];

/** They act where they stand; every other option stands for a value. */
type Action = 'version' | 'help';

export type OptionKey = Exclude<Row['key'], Action>;

/** What was given, unjudged; the last of a repeated option wins, unless its row says that each counts. */
export type RawOptions = {
  [Key in OptionKey]?: ValueOf<Extract<Row, { key: Key }>>;
};

type ValueOf<One> = One extends { argument: string }
  ? One extends { repeats: true }
    ? readonly string[]
    : string
  : boolean;

/** Every option, in the order of -h. */
export const options: readonly (OptionRow & { readonly key: OptionKey | Action })[] = rows;

type ValueRow = OptionRow & { readonly key: OptionKey };
const valueRows: readonly ValueRow[] = rows.filter((row) => row.key !== 'version' && row.key !== 'help');

/** Ignored with a hint for anybody else. */
export const rootOptions = valueRows.filter(({ needsRoot }) => needsRoot);

/** Excluded by --no-supervise; -n with one of them is a supervisor in the foreground. */
export const supervisorOptions = valueRows.filter(({ needsSupervisor }) => needsSupervisor);

/** One spelling of an option, for the parser. */
export interface OptionSpec extends OptionSyntax {
  readonly key: OptionKey | Action;
  /** What it sets without an argument. */
  readonly sets: boolean;
  readonly repeats: boolean;
}

export const specs: readonly OptionSpec[] = options.flatMap(
  ({ key, short, alsoShort, long, argument, sets = true, repeats = false }) => {
    const spec = { key, short, long, takesValue: argument !== undefined, sets, repeats };
    return alsoShort === undefined ? [spec] : [spec, { ...spec, short: alsoShort, long: undefined }];
  },
);

/** How people write an option: `-d`, or `--settle` without a letter. */
export function flagOf({
  short,
  long,
}: Pick<OptionSyntax, 'long'> & { readonly short?: string | undefined }): string {
  return short === undefined ? `--${long}` : `-${short}`;
}
