// Pools for other programs: one object each, the words of the command as an exec takes them.
import type { Kind } from '../kinds/kind.ts';
import type { Converted, WantedPool } from '../wanted-pool.ts';
import { optionWords, programWords } from './words.ts';

export function renderJson(kind: Kind, { pools, notes }: Converted): string {
  return `${JSON.stringify({ kind: kind.name, notes, pools: pools.map(toJson) }, undefined, 2)}\n`;
}

function toJson(pool: WantedPool): Record<string, unknown> {
  const { name, place, variables, inherits, notes } = pool;
  return {
    name,
    place,
    arguments: [...optionWords(pool), ...programWords(pool)].flat(),
    environment: variables.map(({ name: variable, value, isBySlot }) => ({
      name: variable,
      value,
      isBySlot,
    })),
    inherits: inherits ?? null,
    notes,
  };
}
