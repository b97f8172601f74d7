// What a command line asks for: raw strings, unjudged, and where the options stood.
import type { OptionKey, RawOptions } from './options.ts';

/** An option as it was given. */
export interface GivenOption {
  readonly key: OptionKey;
  readonly flag: string;
  readonly value: string | undefined;
}

/** Options on both sides of the program's name; without `--` those behind it are ours, too. */
export interface Placement {
  readonly early: readonly GivenOption[];
  readonly late: readonly GivenOption[];
  /** The arguments up to the program's name, and from it on, as they were typed. */
  readonly before: readonly string[];
  readonly from: readonly string[];
}

export interface StartRequest {
  readonly kind: 'start';
  readonly options: RawOptions;
  readonly program: readonly string[];
  /** In the order in which they count. */
  readonly given: readonly GivenOption[];
  /** Undefined where no option stands behind the program's name. */
  readonly placement: Placement | undefined;
}

export type Request = { readonly kind: 'version' } | { readonly kind: 'help' } | StartRequest;
