// The rows of the options for those who watch a pool, in the order of -h. They have long names only.
import type { OptionRow } from './option.ts';

export const monitoringOptions = [
  {
    key: 'statusSocket',
    long: 'status-socket',
    argument: '<address>',
    help: "path or [host:]port where the supervisor itself answers FastCGI requests for the pool's status, as php-fpm does",
    details:
      "a path, or `[HOST:]PORT` (alone: on 127.0.0.1), where the supervisor itself answers FastCGI requests with [the pool's status](monitoring.md), in php-fpm's formats and as OpenMetrics, also while every worker is busy. A path gets mode 0660 and the owner of the pool's socket",
    section: 'supervision',
    needsSupervisor: true,
    takesPath: true,
    since: '2.0',
  },
] as const satisfies readonly OptionRow[];
