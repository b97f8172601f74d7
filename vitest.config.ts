// How the tests run: groups of files, one group after the other, from the quickest to the slowest.
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/helpers/test-run/longest-first.ts';

/**
 * In this order. The integration tests wait more than they compute (10 minutes of processor time in 50 of theirs), and so
 * do the end-to-end tests on machines of their own, in namespaces: four files at a time suit two cores. The others have
 * ports and directories of their own, but real servers that compute: two at a time. The ledgers measure, take the longest,
 * and run beside parity, a file with a core each.
 */
const ledgers =
  'test/e2e/{reload-ledger,kept-ledger,guards-ledger,spare-ledger,move-ledger,stuck-requests}.test.ts';
const machines = [
  'test/e2e/{systemd,init}-*.test.ts',
  'test/e2e/{pages,mapserver,openrc,supervisord,cron,stop-commands,containers-page,kubernetes}.test.ts',
  'test/e2e/{convert,convert-originals}.test.ts',
];
const groups = [
  { name: 'unit', order: 0, maxWorkers: 2, include: ['test/unit/**/*.test.ts'] },
  { name: 'integration', order: 1, maxWorkers: 4, include: ['test/integration/**/*.test.ts'] },
  { name: 'parity', order: 2, maxWorkers: 2, include: ['test/parity/**/*.test.ts'] },
  { name: 'ledger', order: 2, maxWorkers: 2, include: [ledgers] },
  { name: 'machines', order: 3, maxWorkers: 4, include: machines },
  {
    name: 'e2e',
    order: 4,
    maxWorkers: 2,
    include: ['test/e2e/**/*.test.ts'],
    exclude: [ledgers, ...machines],
  },
];

export default defineConfig({
  test: {
    // Threads could neither change the umask nor the user.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    sequence: { sequencer: LongestFirst },
    projects: groups.map(({ order, ...group }) => ({
      extends: true as const,
      test: { ...group, sequence: { groupOrder: order } },
    })),
  },
});
