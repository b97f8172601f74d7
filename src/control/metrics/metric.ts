// A metric of a pool before it has samples: its name, what it means, and how it is read. Pure.
import type { Family, Sample } from './exposition.ts';
import type { PoolFigures } from './pool-figures.ts';

/** A value of one pool with the labels besides the pool's; null and undefined: not known, and left out. */
type Measured = {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number | null | undefined;
};

export interface Metric extends Omit<Family, 'samples'> {
  readonly read: (pool: PoolFigures) => Measured | readonly Measured[];
}

/** The samples of a pool, by name and address: two pools may have one name. */
export function label({ status }: PoolFigures, measured: Measured | readonly Measured[]): Sample[] {
  const { name: pool, address } = status;
  return [measured]
    .flat()
    .flatMap(({ labels, value }) =>
      value === null || value === undefined ? [] : [{ labels: { pool, address, ...labels }, value }],
    );
}

/** What may fall again; `name` without `spawn_fcgi_`. */
export const gauge = (name: string, help: string, read: Metric['read']): Metric => ({
  name: `spawn_fcgi_${name}`,
  type: 'gauge',
  help,
  read,
});

/** What never falls; exposition.ts adds `_total` to its samples. */
export const counter = (name: string, help: string, read: Metric['read']): Metric => ({
  ...gauge(name, help, read),
  type: 'counter',
});

/** A value for each key. */
export function byLabel(name: string, counts: Readonly<Record<string, number>> | undefined): Measured[] {
  return Object.entries(counts ?? {}).map(([value, count]) => ({ labels: { [name]: value }, value: count }));
}

export function inSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
