// The order of files in a group: those that are known to take long come first, so that at the group's end no worker waits
// for one that has begun last. vitest goes by the size of files otherwise, and some of the longest are short to read.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * By the beginning of their names, the longest first. What two of them need is made by the first (a Debian, a virtual
 * environment): between these there is another one.
 */
const longest = [
  'test/parity/parity',
  'test/e2e/reload-ledger',
  'test/e2e/applications',
  'test/e2e/package-debian',
  'test/e2e/turbogears.test',
  'test/e2e/package-tarball',
  'test/e2e/install-page',
  'test/e2e/turbogears-trouble',
  'test/e2e/programs-page',
  'test/e2e/ledger',
  'test/e2e/mapserver',
  'test/e2e/pages',
  'test/e2e/systemd-gapless',
  'test/e2e/convert',
  'test/e2e/systemd-page',
  'test/integration/killed-',
  'test/integration/injected-faults',
  'test/integration/stuck-requests',
  'test/integration/handover',
  'test/integration/missing-program',
  'test/integration/try',
  'test/integration/package',
  'test/integration/memory',
  'test/integration/scaling',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const order = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    return sorted.toSorted((a, b) => order(a) - order(b) || rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = longest.findIndex((name) => moduleId.includes(`/${name}`));
  return rank === -1 ? longest.length : rank;
}
