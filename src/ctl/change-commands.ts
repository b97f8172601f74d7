// stop, reload, restart, scale: the commands of spawn-fcgictl that change a pool and wait for the end of it.
import type { Command } from 'commander';
import { limits } from '../control/protocol.ts';
import { parseWorkersWord, toWorkersWord, type WorkersWord } from '../control/workers-word.ts';
import { refuseArguments } from './refuse-arguments.ts';

export type ChangeRequest =
  | { readonly command: 'stop' | 'restart'; readonly target: string }
  | {
      readonly command: 'reload';
      readonly target: string;
      /** Return when all workers are new and up. */
      readonly isEarly: boolean;
    }
  | { readonly command: 'scale'; readonly target: string; readonly workers: WorkersWord };

export function addChanges(program: Command, ask: (request: ChangeRequest) => void): void {
  program
    .command('stop <target>')
    .description('end the pool; requests under way are finished')
    .action((target: string) => ask({ command: 'stop', target }));
  program
    .command('reload <target>')
    .description('replace all workers, one by one, new before old')
    .option('--early', 'return when all are new and up; the watch of --settle\ngoes on, and rolls back')
    .action((target: string, { early }: { early?: boolean }) =>
      ask({ command: 'reload', target, isEarly: early ?? false }),
    );
  program
    .command('restart <target>')
    .description('end all workers, then start new ones')
    .action((target: string) => ask({ command: 'restart', target }));
  program
    .command('scale <target> <workers>')
    .description('set the number of workers: 8, or +1, -1; 2-8: between\nthese, as the load needs them')
    .action((target: string, workers: string) =>
      ask({ command: 'scale', target, workers: parseWorkers(workers) }),
    );
}

function parseWorkers(text: string): WorkersWord {
  const asked = parseWorkersWord(/^\d+$/.test(text) ? Number(text) : text);
  if (asked) return toWorkersWord(asked);
  throw refuseArguments(
    `invalid number of workers: '${text}' (1 to ${limits.maxWorkers}, +1, -1, or a range such as 2-8)`,
  );
}
