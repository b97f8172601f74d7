// `metrics` of spawn-fcgictl on its command line.
import type { Command } from 'commander';

export interface MetricsRequest {
  readonly command: 'metrics';
  /** None: all pools. */
  readonly targets: readonly string[];
  readonly isFull: boolean;
}

export function addMetrics(program: Command, ask: (request: MetricsRequest) => void): void {
  program
    .command('metrics [targets...]')
    .description('print metrics for Prometheus; without a target of all pools')
    .option('--full', 'of each worker, too')
    .action((targets: string[], { full }: { full?: boolean }) =>
      ask({ command: 'metrics', targets, isFull: full ?? false }),
    );
}
