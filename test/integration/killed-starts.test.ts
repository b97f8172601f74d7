// A start, killed at its steps in each of the settings: its supervisor, its command, its guard, a worker. And one that
// takes over the workers of a supervisor that was killed.
import { describe, test } from 'vitest';
import { needTracing } from '../helpers/machine/index.ts';
import { killAtSteps, killTimeout, isChosen, adoptionOf, startOf, settings } from '../helpers/steps/index.ts';

describe.for(settings)('a pool with $name', (setting) => {
  const adoptions = isChosen(0, setting, settings) ? [adoptionOf(setting)] : [];
  const cases = [
    { operation: startOf(setting), among: settings.length },
    ...adoptions.map((operation) => ({ operation, among: undefined })),
  ];

  test.for(cases)(
    '$operation.name: when somebody is killed on the way, the next start heals',
    { timeout: killTimeout },
    async ({ operation, among }, ctx) => {
      needTracing(ctx);
      await killAtSteps(operation, among);
    },
  );
});
