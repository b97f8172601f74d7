// The command line of `try`: options in, what to ask the supervisor for out. Looks at nothing but the arguments.
import type { Command } from 'commander';
import { refuseArguments } from '../refuse-arguments.ts';
import { collect, parseParam, parseUri } from './request-command.ts';

export interface TryOptions {
  readonly command: 'try';
  readonly target: string;
  /** What a reload would take now, instead of what is in service. */
  readonly isAnew: boolean;
  /** Undefined: it only has to come up. */
  readonly uri: string | undefined;
  readonly root: string | undefined;
  readonly params: Readonly<Record<string, string>>;
}

interface Given {
  readonly release?: boolean;
  readonly request?: string;
  readonly root?: string;
  readonly param?: readonly string[];
}

export function addTry(program: Command, ask: (request: TryOptions) => void): void {
  program
    .command('try <target>')
    .description('start one more worker on a socket of its own, and end it')
    .option('--release', 'of what a reload would take now, instead of the release in service')
    .option('--request <uri>', 'GET the URI from it')
    .option('--root <dir>', 'as of request')
    .option('--param <name=value>', 'as of request', collect)
    .addHelpText('after', tryEnd)
    .action((target: string, given: Given) => ask(read(target, given)));
}

const tryEnd = `
What the worker prints goes to stderr, its answer to stdout.

Exit status: 0 it came up (and answered, with an HTTP status below 500);
1 it did not, or an HTTP status from 500 on; 3 not within --ready-timeout;
6 busy: another try, or a reload; else as of request.`;

function read(target: string, { release, request, root, param = [] }: Given): TryOptions {
  const hasNone = request === undefined && (root !== undefined || param.length > 0);
  if (hasNone) throw refuseArguments('--root and --param are for --request', 'spawn-fcgictl try -h');
  return {
    command: 'try',
    target,
    isAnew: release ?? false,
    uri: request === undefined ? undefined : parseUri(request),
    root,
    params: Object.fromEntries(param.map(parseParam)),
  };
}
