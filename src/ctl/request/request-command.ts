// The command line of `request`: options in, what to send out. Looks at nothing but the arguments.
import type { Command } from 'commander';
import { parseTime } from '../../core/quantity.ts';
import { refuseArguments } from '../refuse-arguments.ts';

/** Where the body is: the text itself, a file, or standard input. */
export type BodySource =
  | { readonly kind: 'none' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stdin' };

export interface RequestOptions {
  readonly command: 'request';
  /** An address of any server, or what names a pool. */
  readonly target: string;
  readonly uri: string;
  readonly method: string;
  readonly root: string | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly body: BodySource;
  readonly deadlineMs: number | undefined;
  readonly isAuthorizer: boolean;
  readonly asJson: boolean;
}

interface Given {
  readonly method?: string;
  readonly root?: string;
  readonly param?: readonly string[];
  readonly data?: string;
  readonly deadline?: string;
  readonly authorizer?: boolean;
  readonly json?: boolean;
}

export function addRequest(program: Command, ask: (request: RequestOptions) => void): void {
  program
    .command('request <address> [uri]')
    .description('send one FastCGI request to a pool, or to any server')
    .option('--method <method>', 'default: GET, with --data POST')
    .option('--root <dir>', 'where the scripts are: SCRIPT_FILENAME is DIR and the path of the URI')
    .option(
      '--param <name=value>',
      'a parameter, instead of the one that would be sent; may be repeated',
      collect,
    )
    .option('--data <data>', 'the body: DATA, @FILE, or - for standard input')
    .option('--deadline <time>', 'for the whole answer (default: until nothing comes for 60s)')
    .option('--authorizer', 'in the role of an authorizer')
    .option('--json', 'answer and times as JSON')
    .addHelpText('after', requestEnd)
    .action((target: string, uri: string | undefined, given: Given) => ask(read(target, uri, given)));
}

const requestEnd = `
ADDRESS is a socket path, host:port or port of any FastCGI server, or a TARGET.
What the application writes goes to stdout, header included, and its errors to
stderr; on a terminal control characters are shown as \\x1b.

Exit status: 0 answered; 1 HTTP status from 500 on, or an authorizer's no;
2 exit status of the application; 3 refused (overloaded, unknown role);
4 nobody listens; 5 not permitted; 6 no answer in time; 8 connection closed
before its end; 9 no FastCGI, or no header; 10 stdout cannot be written;
255 usage.`;

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function read(target: string, uri: string | undefined, given: Given): RequestOptions {
  const body = parseBody(given.data);
  const isAuthorizer = given.authorizer ?? false;
  if (isAuthorizer && body.kind !== 'none') throw refuse('--authorizer takes no body: leave out --data');
  if (given.root === '') throw refuse('--root is empty');
  return {
    command: 'request',
    target,
    uri: parseUri(uri ?? '/'),
    method: parseMethod(given.method ?? (body.kind === 'none' ? 'GET' : 'POST')),
    root: given.root,
    params: Object.fromEntries((given.param ?? []).map(parseParam)),
    body,
    deadlineMs: parseDeadline(given.deadline),
    isAuthorizer,
    asJson: given.json ?? false,
  };
}

function parseBody(data: string | undefined): BodySource {
  if (data === undefined) return { kind: 'none' };
  if (data === '-') return { kind: 'stdin' };
  return data.startsWith('@') ? { kind: 'file', path: data.slice(1) } : { kind: 'text', text: data };
}

export function parseUri(uri: string): string {
  if (/^\/[!-~]*$/.test(uri) && !/%00|#/.test(uri)) return uri;
  throw refuse(`invalid URI: '${uri}' (for example /status?full; other characters as %20)`);
}

function parseMethod(method: string): string {
  if (/^[!-~]+$/.test(method)) return method;
  throw refuse(`invalid method: '${method}' (for example GET)`);
}

export function parseParam(text: string): readonly [string, string] {
  const end = text.indexOf('=');
  if (end > 0) return [text.slice(0, end), text.slice(end + 1)];
  throw refuse(`invalid --param: '${text}' (for example HTTP_HOST=example.org)`);
}

function parseDeadline(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const deadlineMs = parseTime(text);
  if (deadlineMs) return deadlineMs;
  throw refuse(`invalid time for --deadline: '${text}' (for example 500ms or 30s)`);
}

function refuse(message: string): Error {
  return refuseArguments(message, 'spawn-fcgictl request -h');
}
