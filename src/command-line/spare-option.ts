// The row of --spare.
import type { OptionRow } from './option.ts';

export const spareOption = {
  key: 'spares',
  long: 'spare',
  argument: '<n>',
  help: 'workers beside the pool that have started, and are stopped until one is needed (default: {default})',
  details:
    'so many workers beside the pool that have started, wait for connections and are stopped there: one of them goes on as soon as a slot needs a worker ([spare workers](spare-workers.md)); default {default}',
  section: 'supervision',
  needsSupervisor: true,
  since: '2.0',
  default: '0',
} as const satisfies OptionRow;
