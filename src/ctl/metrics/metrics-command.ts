// `metrics` of spawn-fcgictl on its command line.
import type { Command } from 'commander';

export interface MetricsRequest {
  readonly command: 'metrics';
  /** None: all pools. */
  readonly targets: readonly string[];
  readonly isFull: boolean;
}

const metricsEnd = `
Exit status: 0 printed; 4 no such pool; 5 not permitted; 6 no answer in time;
7 other version of spawn-fcgi; 255 usage, or not all could be written.`;

export function addMetrics(program: Command, ask: (request: MetricsRequest) => void): void {
  program
    .command('metrics [targets...]')
    .description('print metrics for Prometheus; without a target of all pools')
    .option('--full', 'of each worker, too')
    .addHelpText('after', metricsEnd)
    .action((targets: string[], { full }: { full?: boolean }) =>
      ask({ command: 'metrics', targets, isFull: full ?? false }),
    );
}
