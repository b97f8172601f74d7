// The number of workers as -F says it: N, as 1.6; MIN-MAX, between which the load decides; `auto`, the processors.
import { defaults, type Config } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { parseWhole } from '../core/quantity.ts';
import { maxWorkers, parseRange, type WorkerRange } from '../core/scaling/worker-range.ts';

/** The machine, asked where the command line says `auto` and only there. */
export type CountProcessors = () => number;

export type ParsedWorkers = Pick<Config, 'workers' | 'range' | 'processors'> & {
  /** Only a supervisor can move between the two. */
  readonly isRange: boolean;
};

/** Undefined text: the option was not given. */
export function parseWorkers(text: string | undefined, countProcessors: CountProcessors): ParsedWorkers {
  if (text === undefined) return fixed(defaults.workers);
  let processors: number | undefined;
  const count = (): number => (processors ??= Math.min(countProcessors(), maxWorkers));
  if (text === 'auto') return { ...fixed(count()), processors: count() };
  const number = parseWhole(text, 1, maxWorkers);
  if (number !== undefined) return fixed(number);
  const range = parseRange(text, count);
  if (range) return { workers: range.min, range, processors, isRange: true };
  throw new SpawnFcgiError(`invalid number for -F: '${text}'`, { hints: [explain(text)] });
}

function fixed(workers: number): ParsedWorkers {
  return { workers, range: { min: workers, max: workers }, processors: undefined, isRange: false };
}

function explain(text: string): string {
  const [, low, high] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  const reversed: WorkerRange | undefined = parseRange(`${high}-${low}`);
  if (reversed) return `the smaller number comes first: ${high}-${low}`;
  return `-F takes a whole number from 1 to ${maxWorkers}, a range such as 2-8 or 2-auto, or auto for the processors`;
}
