// How the tests run: four groups, one after the other, from the quickest to the slowest.
import { defineConfig } from 'vitest/config';

/** In this order; the last two use fixed system paths and real servers, so that their files run one by one. */
const groups = [
  { name: 'unit', maxWorkers: 2 },
  { name: 'integration', maxWorkers: 2 },
  { name: 'parity', maxWorkers: 1 },
  { name: 'e2e', maxWorkers: 1 },
];

export default defineConfig({
  test: {
    // Threads could neither change the umask nor the user.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    projects: groups.map(({ name, maxWorkers }, groupOrder) => ({
      extends: true as const,
      test: { name, maxWorkers, include: [`test/${name}/**/*.test.ts`], sequence: { groupOrder } },
    })),
  },
});
