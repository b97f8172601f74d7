// A setting of a configuration and what becomes of it: the readers go by these rows, and docs/convert.md is made of them.
import type { Draft } from '../wanted-pool.ts';

export interface Row<Place> {
  /** As the page names it; several that are read alike are separated by blanks. */
  readonly names: string;
  /** For the page, in Markdown. */
  readonly becomes: string;
  /** Without it the setting needs nothing here. */
  apply?(draft: Draft, value: string, place: Place): void;
}

/** The row of a setting by its name; `env[…]` stands for every name of that form. */
export function findRow<Place>(rows: readonly Row<Place>[], name: string): Row<Place> | undefined {
  const form = name.replace(/\[.*\]$/, '[…]');
  return rows.find(({ names }) => names.split(' ').includes(form));
}
