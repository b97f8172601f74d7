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

const otherwise = `4 no such pool; 5 not permitted; 6 no answer in time, or
busy with another operation; 7 other version of spawn-fcgi; 255 usage.`;

const stopEnd = `
Returns when every process is gone.

Exit status: 0 stopped; 1 something could not be ended, which is named;
${otherwise}`;

const reloadEnd = `
Returns when all workers are of the new release, or the old ones are back.

Exit status: 0 all are new; 1 rolled back, the old ones serve; 2 partly;
3 not up within --ready-timeout, rolled back;
${otherwise}`;

const restartEnd = `
Connections wait in the queue meanwhile; reload keeps serving.

Exit status: 0 the new workers are up; 1 they are not, or something could not be
ended;
${otherwise}`;

const scaleEnd = `
Returns when the workers that were added are up.

Exit status: 0 done; 1 they are not up;
${otherwise}`;

export function addChanges(program: Command, ask: (request: ChangeRequest) => void): void {
  program
    .command('stop <target>')
    .description('end the pool; requests under way are finished')
    .addHelpText('after', stopEnd)
    .action((target: string) => ask({ command: 'stop', target }));
  program
    .command('reload <target>')
    .description('replace all workers, one by one, new before old')
    .option('--early', 'return when all are new and up; the watch of --settle goes on, and rolls back')
    .addHelpText('after', reloadEnd)
    .action((target: string, { early }: { early?: boolean }) =>
      ask({ command: 'reload', target, isEarly: early ?? false }),
    );
  program
    .command('restart <target>')
    .description('end all workers, then start new ones')
    .addHelpText('after', restartEnd)
    .action((target: string) => ask({ command: 'restart', target }));
  program
    .command('scale <target> <workers>')
    .description('set the number of workers: 8, or +1, -1; 2-8: between these, as the load needs them')
    .addHelpText('after', scaleEnd)
    .action((target: string, workers: string) =>
      ask({ command: 'scale', target, workers: parseWorkers(workers) }),
    );
}

function parseWorkers(text: string): WorkersWord {
  const asked = parseWorkersWord(/^\d+$/.test(text) ? Number(text) : text);
  if (asked) return toWorkersWord(asked);
  throw refuseArguments(
    `invalid number of workers: '${text}' (1 to ${limits.maxWorkers}, +1, -1, or a range such as 2-8)`,
    'spawn-fcgictl scale -h',
  );
}
