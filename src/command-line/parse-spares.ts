// --spare: how many, and what a worker without a slot cannot have.
import { SpawnFcgiError } from '../core/errors.ts';
import { namesSlot } from '../core/slot-pattern.ts';
import type { RawOptions } from './options.ts';
import { parseNumber } from './parse-number.ts';

/** 0 without the option. */
export function parseSpares({
  spares,
  env = [],
  output,
}: Pick<RawOptions, 'spares' | 'env' | 'output'>): number {
  const count = parseNumber('--spare', spares, 0, 65_535) ?? 0;
  if (count === 0) return 0;
  const variable = env.find(namesSlot);
  if (variable !== undefined) throw refuse(`--env ${variable.split('=')[0]}`);
  if (output !== undefined && !output.startsWith('|') && namesSlot(output)) throw refuse('--output');
  return count;
}

function refuse(option: string): SpawnFcgiError {
  return new SpawnFcgiError(`--spare and %i in ${option} exclude each other: a spare has no slot yet`);
}
