// What doctor looks at, in its order: along the way of a request, a cause before what comes of it; last what no request
// fails by now. A check more is a row in one of these lists, and a row in docs/troubleshooting.md.
import type { Check } from './check.ts';
import { listenerChecks } from './checks/listener.ts';
import { policyChecks } from './checks/policy.ts';
import { programChecks } from './checks/program.ts';
import { bodyChecks, scriptChecks } from './checks/script.ts';
import { standingChecks } from './checks/standing.ts';
import { webServerChecks } from './checks/web-server-access.ts';
import { workerChecks } from './checks/workers.ts';

export const checks: readonly Check[] = [
  ...listenerChecks,
  ...webServerChecks,
  ...policyChecks,
  ...programChecks,
  ...workerChecks,
  ...scriptChecks,
  ...standingChecks,
  ...bodyChecks,
];
