// Which test uses which blocks of the pages. What nobody claims is typed in by test/e2e/pages.test.ts; so a new page is
// tested without a line here, and a block that nobody can take makes test/unit/page-blocks.test.ts fail.
import { fencesOf, pagePaths, type Fence } from '../pages/markdown.ts';
import { judges } from './judges.ts';

export interface Claim {
  readonly page: string;
  /** Info strings of fences; all that are no text without it. */
  readonly infos?: readonly string[];
  /** A part of the block, where a page has several of a kind. */
  readonly has?: string;
  readonly test: string;
}

export const claims: readonly Claim[] = [
  { page: 'README.md', has: 'apt-get install ./', test: 'test/e2e/package-debian.test.ts' },
  { page: 'README.md', has: 'npm install --global', test: 'test/e2e/install-page.test.ts' },
  { page: 'README.md', infos: ['ini'], test: 'test/e2e/systemd-types.test.ts' },
  { page: 'docs/containers.md', test: 'test/e2e/containers-page.test.ts' },
  { page: 'docs/convert.md', infos: ['ini', 'sh result'], test: 'test/unit/convert-fixtures.test.ts' },
  { page: 'docs/init-scripts.md', infos: ['sh'], test: 'test/e2e/stop-commands.test.ts' },
  { page: 'docs/init-scripts.md', infos: ['sh debian', 'sh redhat'], test: 'test/e2e/init-scripts.test.ts' },
  { page: 'docs/init-systems.md', infos: ['sh openrc'], test: 'test/e2e/openrc.test.ts' },
  { page: 'docs/init-systems.md', infos: ['sh supervise-daemon'], test: 'test/e2e/openrc.test.ts' },
  { page: 'docs/init-systems.md', infos: ['sh sysconfig'], test: 'test/e2e/systemd-sysconfig.test.ts' },
  {
    page: 'docs/init-systems.md',
    infos: ['sh run', 'sh s6'],
    test: 'test/e2e/init-systems.test.ts',
  },
  {
    page: 'docs/init-systems.md',
    infos: ['ini program', 'ini fcgi-program', 'monit'],
    test: 'test/e2e/supervisord.test.ts',
  },
  { page: 'docs/init-systems.md', infos: ['cron'], test: 'test/e2e/cron.test.ts' },
  { page: 'docs/install.md', infos: ['sh'], test: 'test/e2e/install-page.test.ts' },
  {
    page: 'docs/install.md',
    infos: ['sh package', 'sh debian', 'sh beside', 'sh remove'],
    test: 'test/e2e/package-debian.test.ts',
  },
  { page: 'docs/install.md', infos: ['sh tarball'], test: 'test/e2e/package-tarball.test.ts' },
  { page: 'docs/mapserver.md', test: 'test/e2e/mapserver.test.ts' },
  { page: 'docs/monitoring.md', infos: ['nginx figures'], test: 'test/e2e/status-page.test.ts' },
  {
    page: 'docs/monitoring.md',
    infos: ['apache', 'lighttpd', 'caddy', 'haproxy'],
    test: 'test/e2e/status-fronts.test.ts',
  },
  { page: 'docs/monitoring.md', infos: ['yaml'], test: 'test/e2e/monitoring.test.ts' },
  {
    page: 'docs/checks.md',
    infos: ['ini nrpe', 'sh checks', 'ini zabbix', 'text items', 'text monit', 'text collectd'],
    test: 'test/e2e/monitoring-agents.test.ts',
  },
  { page: 'docs/checks.md', has: 'check_spawn_fcgi -w 5', test: 'test/e2e/monitoring-agents.test.ts' },
  { page: 'docs/monitoring.md', has: 'spawn-fcgi-metrics.timer', test: 'test/e2e/monitoring.test.ts' },
  { page: 'docs/programs.md', test: 'test/e2e/programs-page.test.ts' },
  { page: 'docs/systemd.md', test: 'test/e2e/systemd-page.test.ts' },
  { page: 'docs/turbogears.md', test: 'test/e2e/turbogears.test.ts' },
];

/** Whether a claim is about a block. */
export function isClaimed({ page, infos, has }: Claim, fence: Fence): boolean {
  if (page !== fence.page || isElsewhere(fence)) return false;
  const isKind = infos ? infos.includes(fence.info) : !/^text(?: diagram)?$/.test(fence.info);
  return isKind && (has === undefined || fence.text.includes(has));
}

/** Needs what no machine of ours has; the reason stands behind the colon. */
export function isElsewhere({ info }: Fence): boolean {
  return /^\w+ elsewhere\b/.test(info);
}

const typed = /^(?:(?:sh|console)(?: fails)?|sh stays)$/;

function isTyped({ info }: Fence): boolean {
  return typed.test(info) || info in judges;
}

/** The blocks that the test of all pages takes, by page. */
export function fencesToType(): Map<string, Fence[]> {
  const left = pagePaths
    .flatMap(fencesOf)
    .filter((fence) => isTyped(fence) && !claims.some((claim) => isClaimed(claim, fence)));
  return Map.groupBy(left, ({ page }) => page);
}
