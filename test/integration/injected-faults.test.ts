// System calls of our own that fail, whatever they are for, in each operation: fault-choice.ts says which.
import { afterAll, describe, expect, test } from 'vitest';
import { needTracing } from '../helpers/machine/requirements.ts';
import {
  faultyOperationsOf,
  faultyStartsOf,
  inPlaceStartOf,
  type FaultyOperation,
} from '../helpers/steps/fault-operations.ts';
import { injectFaults, type FaultTally } from '../helpers/steps/fault-verdict.ts';
import { killTimeout } from '../helpers/steps/killed-at-steps.ts';
import { settings } from '../helpers/steps/killed-settings.ts';

const [unix, dropped, tcp] = settings;
const operations: readonly FaultyOperation[] = [
  ...settings.flatMap(faultyStartsOf),
  ...[unix, dropped].flatMap((setting) => (setting ? [inPlaceStartOf(setting)] : [])),
  ...[dropped, tcp].flatMap((setting) => (setting ? faultyOperationsOf(setting) : [])),
];

const rows: { name: string; tally: FaultTally }[] = [];
afterAll(() => {
  if (process.env['SPAWN_FCGI_FAULTS'] === undefined) return;
  for (const { name, tally } of rows)
    console.log(`${name}: ${[...tally].map(([kind, count]) => `${kind} ${count}`).join(', ')}`);
});

describe('with a system call failing', () => {
  test.for(operations.map((operation, number) => ({ ...operation, number, where: operation.setting.name })))(
    '$name in a pool with $where ends well',
    { timeout: 10 * killTimeout },
    async ({ number, ...operation }, ctx) => {
      needTracing(ctx);
      const { tally, failures } = await injectFaults(operation, number);
      rows.push({ name: `${operation.name}, ${operation.setting.name}`, tally });
      expect(failures).toEqual([]);
    },
  );
});
