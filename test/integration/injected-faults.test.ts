// System calls of our own that fail, whatever they are for, in each operation: fault-choice.ts says which.
import { afterAll, describe, expect, test } from 'vitest';
import { needTracing } from '../helpers/machine/index.ts';
import * as steps from '../helpers/steps/index.ts';

const [unix, dropped, tcp] = steps.settings;
const operations: readonly steps.FaultyOperation[] = [
  ...steps.settings.flatMap(steps.faultyStartsOf),
  ...[unix, dropped].flatMap((setting) => (setting ? [steps.inPlaceStartOf(setting)] : [])),
  ...[dropped, tcp].flatMap((setting) => (setting ? steps.faultyOperationsOf(setting) : [])),
];

const rows: { name: string; tally: steps.FaultTally }[] = [];
afterAll(() => {
  if (process.env['SPAWN_FCGI_FAULTS'] === undefined) return;
  for (const { name, tally } of rows)
    console.log(`${name}: ${[...tally].map(([kind, count]) => `${kind} ${count}`).join(', ')}`);
});

describe('with a system call failing', () => {
  test.for(operations.map((operation, number) => ({ ...operation, number, where: operation.setting.name })))(
    '$name in a pool with $where ends well',
    { timeout: 10 * steps.killTimeout },
    async ({ number, ...operation }, ctx) => {
      needTracing(ctx);
      const { tally, failures } = await steps.injectFaults(operation, number);
      rows.push({ name: `${operation.name}, ${operation.setting.name}`, tally });
      expect(failures).toEqual([]);
    },
  );
});
