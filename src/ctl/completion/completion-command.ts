// `completion` of spawn-fcgictl on its command line.
import { Argument, type Command } from 'commander';

const shells = ['bash', 'zsh', 'fish'] as const;

export interface CompletionRequest {
  readonly command: 'completion';
  /** The script for a shell, or what such a script asks for. */
  readonly what: (typeof shells)[number] | 'targets';
}

const completionEnd = `
Exit status: 0 printed; 255 usage, or the completion is not installed.`;

export function addCompletion(program: Command, ask: (request: CompletionRequest) => void): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>').choices([...shells, 'targets']))
    .description(
      'print the completion of both commands for that shell; targets: each name of each pool that runs, a line each',
    )
    .addHelpText('after', completionEnd)
    .action((what: CompletionRequest['what']) => ask({ command: 'completion', what }));
}
