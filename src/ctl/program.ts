// The command line of spawn-fcgictl, by commander: arguments in, a request out. Runs
// nothing and prints nothing.
import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { parseTime, parseWhole } from '../core/quantity.ts';
import { addConvert, type ConvertOptions } from './convert/convert-command.ts';
import { addChanges, type ChangeRequest } from './change-commands.ts';
import { addCompletion, type CompletionRequest } from './completion/completion-command.ts';
import { addDoctor, type DoctorOptions } from './doctor/doctor-command.ts';
import { refuseArguments } from './refuse-arguments.ts';
import { addMetrics, type MetricsRequest } from './metrics/metrics-command.ts';
import { addRequest, type RequestOptions } from './request/request-command.ts';
import { addTry, type TryOptions } from './request/try-options.ts';
import { addPing, addStatus, type PingRequest, type StatusRequest } from './status/status-command.ts';
import { ctlStatus } from './statuses.ts';

export interface GlobalOptions {
  readonly stateDir: string | undefined;
  readonly timeoutMs: number | undefined;
}

export type CtlRequest = GlobalOptions &
  (
    | StatusRequest
    | PingRequest
    | {
        readonly command: 'logs';
        readonly target: string;
        /** Of the last ones; undefined: all. */
        readonly lines: number | undefined;
        readonly follows: boolean;
      }
    | {
        readonly command: 'events';
        readonly target: string;
        readonly asJson: boolean;
        /** Run for each of them instead of printing it. */
        readonly exec: string | undefined;
      }
    | ChangeRequest
    | MetricsRequest
    | RequestOptions
    | DoctorOptions
    | TryOptions
    | CompletionRequest
    | ConvertOptions
  );

/** What the arguments ask for: a request to a pool, or a text for stdout. */
export type ParsedArguments =
  | { readonly kind: 'request'; readonly request: CtlRequest }
  | { readonly kind: 'text'; readonly text: string; readonly status: number };

type PoolRequest = CtlRequest extends infer R
  ? R extends GlobalOptions
    ? Omit<R, keyof GlobalOptions>
    : never
  : never;

const usageEnd = `
A TARGET is a PID file (-P of spawn-fcgi), a socket path, address:port, or the
supervisor's PID; a port alone will do where it names one pool.
TIME is a number with ms, s, m or h; bare: seconds.

Exit status: 0 done; reload: 1 rolled back, 2 partly, 3 timeout; ping: 1 not
serving; doctor: 1 something is wrong; convert: 1 not all of it; 4 no such pool;
5 not permitted; 6 no answer in time, or busy; 7 other version of spawn-fcgi;
255 usage; request and try: see their -h.`;

const logsEnd = `
Exit status: 0 shown; 1 nothing to read, and the line says why; 4 no such pool;
5 not permitted; 255 usage.`;

const eventsEnd = `
Exit status: 0 the pool has stopped; 4 no such pool; 5 not permitted; 6 no
answer in time, or its supervisor was killed; 7 other version of spawn-fcgi;
255 usage.`;

/** Reads the arguments; throws a SpawnFcgiError with one line for a mistake. */
export function parseArguments(args: readonly string[]): ParsedArguments {
  let text = '';
  let request: PoolRequest | undefined;
  const program = createProgram(
    (written) => (text += written),
    (asked) => (request = asked),
  );
  if (args.length === 0) {
    program.outputHelp();
    return { kind: 'text', text, status: ctlStatus.usage };
  }
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'text', text, status: ctlStatus.ok };
    throw explainMistake(error, args, program);
  }
  if (!request) throw refuseArguments('no command given');
  const { stateDir, timeout } = program.opts<{ stateDir?: string; timeout?: string }>();
  const options = { stateDir, timeoutMs: parseTimeout(timeout) };
  return { kind: 'request', request: { ...request, ...options } as CtlRequest };
}

function explainMistake({ code, message }: CommanderError, args: readonly string[], program: Command): Error {
  if (code === 'commander.help') return refuseArguments('no command given');
  const name = args.find((arg) => program.commands.some((command) => command.name() === arg));
  const text = message.replace(/^error: /, '');
  if (code === 'commander.unknownCommand' && args.includes('start'))
    return refuseArguments('a pool is started by spawn-fcgi, with all of its options', 'spawn-fcgi -h');
  return refuseArguments(text, name === undefined ? undefined : `spawn-fcgictl ${name} -h`);
}

/** Every command and option, also for manual and completion. */
export function createProgram(
  write: (text: string) => void = () => undefined,
  ask: (request: PoolRequest) => void = () => undefined,
): Command {
  const program = new Command('spawn-fcgictl')
    .description('Shows and controls pools of spawn-fcgi.')
    .option('--state-dir <dir>', 'where the pool has its files, as given to spawn-fcgi')
    .option(
      '--timeout <time>',
      'how long to wait in all (default: 5s for status, ping and metrics, else as long as the supervisor answers)',
    )
    .version(`spawn-fcgictl v${manifest.version}`, '-v, --version', 'show version')
    .helpOption('-h, --help', 'show this help')
    .addHelpText('after', usageEnd)
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`,
    })
    .exitOverride()
    .configureOutput({
      writeOut: write,
      writeErr: () => undefined,
      getOutHelpWidth: () => 80,
      getErrHelpWidth: () => 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  addStatus(program, ask);
  addPing(program, ask);
  addEvents(program, ask);
  addLogs(program, ask);
  addMetrics(program, ask);
  addChanges(program, ask);
  addTry(program, ask);
  addRequest(program, ask);
  addDoctor(program, ask);
  addCompletion(program, ask);
  addConvert(program, ask);
  return program;
}

function addLogs(program: Command, ask: (request: PoolRequest) => void): void {
  program
    .command('logs <target>')
    .description('show what its supervisor has said, wherever that is')
    .option('-f, --follow', 'and what it says from now on')
    .option('-n, --lines <number>', 'of the last lines, or all (default: 10)')
    .addHelpText('after', logsEnd)
    .action((target: string, { lines, follow }: { lines?: string; follow?: boolean }) =>
      ask({ command: 'logs', target, lines: parseLines(lines ?? '10'), follows: follow ?? false }),
    );
}

function addEvents(program: Command, ask: (request: PoolRequest) => void): void {
  program
    .command('events <target>')
    .description('tell what happens in a pool, until it has stopped')
    .option('--json', 'as JSON, a line each')
    .option('--exec <command>', 'run by /bin/sh for each one, with its JSON on stdin')
    .addHelpText('after', eventsEnd)
    .action((target: string, { json, exec }: { json?: boolean; exec?: string }) => {
      if (json && exec !== undefined)
        throw refuseArguments('--json prints, --exec does not: one of them', 'spawn-fcgictl events -h');
      ask({ command: 'events', target, asJson: json ?? false, exec });
    });
}

function parseLines(text: string): number | undefined {
  const lines = text === 'all' ? undefined : parseWhole(text, 0, Number.MAX_SAFE_INTEGER);
  if (lines !== undefined || text === 'all') return lines;
  throw refuseArguments(
    `invalid number of lines: '${text}' (for example 100, or all)`,
    'spawn-fcgictl logs -h',
  );
}

function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeoutMs = parseTime(text);
  if (timeoutMs) return timeoutMs;
  throw refuseArguments(`invalid time for --timeout: '${text}' (for example 500ms or 30s)`);
}
