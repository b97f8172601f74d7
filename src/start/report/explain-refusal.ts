// Hints from the command line as a whole: what in it is hardly meant, whatever comes of
// the start, and what a refusal had to do with it. Changes no result.
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { plural } from '../../core/text/amount-text.ts';
import { shellQuote } from '../../core/text/shell-quote.ts';
import type { Config } from '../../core/config.ts';
import { findAccounts, findGroupNames, webServerUsers } from '../../sys/process/accounts.ts';
import { libc } from '../../sys/libc/libc.ts';
import { readVariable, type Caller } from '../../sys/process/caller.ts';
import { explainAddress, suspectSocket } from '../../command-line/hints/address-hints.ts';
import { explainMisplaced, suspectMisplaced } from '../../command-line/hints/misplaced-options.ts';
import { suspectOtherCommand } from '../../command-line/hints/other-command.ts';
import type { RawOptions } from '../../command-line/options.ts';
import type { StartRequest } from '../../command-line/request.ts';
import { suspectTyping } from '../../command-line/hints/typing-hints.ts';
import { explainGivenSocket } from './explain-given.ts';

/** Hints whether or not the start succeeds. */
export function suspectCommandLine(request: StartRequest, args: readonly string[]): string[] {
  return [
    ...suspectTyping(args),
    ...suspectMisplaced(request),
    ...suspectSocket(request.options),
    ...suspectCommand(request),
  ];
}

/** The same refusal with what the command line has to do with it. */
export function explainRefusal(
  error: unknown,
  request: StartRequest,
  args: readonly string[],
  caller: Caller,
): unknown {
  if (!(error instanceof SpawnFcgiError)) return error;
  const { message } = error;
  const { options } = request;
  const hints = [
    ...error.hints,
    ...suspectCommandLine(request, args),
    ...explainMisplaced(error, request),
    ...explainAddress(options, message),
    ...explainSocketPath(options, message),
    ...explainAccount(message),
    ...explainPidFile(options, message),
    ...explainMissingDirectory(message),
    ...suspectOtherCommand(request),
    ...explainInsideChroot(options, message),
    ...explainGivenSocket(message, caller),
  ];
  return new SpawnFcgiError(message, { exitCode: error.exitCode, hints, cause: error });
}

/** 1.6 ignores -f beside a program without a word. */
function suspectCommand({ options, program }: StartRequest): string[] {
  const { command } = options;
  if (command === undefined || program.length === 0) return [];
  const whole = [command, ...program].join(' ');
  return [
    `-f ${shellQuote(command)} is ignored, the program is '${program[0]}'; for a command with arguments: -f ${shellQuote(whole)}`,
  ];
}

function explainSocketPath({ socket = '' }: RawOptions, message: string): string[] {
  if (message.startsWith('removing old socket failed: Is a directory'))
    return [
      `-s '${socket}' is a directory; name the socket in it: -s ${shellQuote(`${socket.replace(/\/+$/, '')}/app.sock`)}`,
    ];
  return message.startsWith('bind failed: No such file') && socket.endsWith('/')
    ? [`-s '${socket}' ends in a slash: it takes the path of the socket, not of a directory`]
    : [];
}

/** `user:group` as chown takes it, and the names of other distributions. */
function explainAccount(message: string): string[] {
  const [, kind, name] = /^can't find (user|group) name (.+)$/.exec(message) ?? [];
  if (name === undefined) return [];
  const [, user, group] = /^([^:]+):([^:]+)$/.exec(name) ?? [];
  if (user !== undefined)
    return [`-u takes a user alone: -u ${user} -g ${group} (the socket's: -U ${user} -G ${group})`];
  const others: readonly string[] = [...webServerUsers, 'nobody', 'nogroup'];
  if (!others.includes(name)) return [];
  const found =
    kind === 'group' ? findGroupNames(others) : findAccounts(others).map((account) => account.name);
  return found.length === 0 ? [] : [`this machine has no ${kind} '${name}', but: ${found.join(', ')}`];
}

function explainPidFile({ pidFile }: RawOptions, message: string): string[] {
  if (pidFile === undefined || !message.includes(`'${pidFile}'`)) return [];
  if (message.startsWith("PID-file exists and isn't regular file")) {
    return isDirectory(pidFile)
      ? [`-P takes a file; name it: -P ${shellQuote(`${pidFile.replace(/\/+$/, '')}/app.pid`)}`]
      : [];
  }
  return [];
}

/** Of -P, --worker-pid-file, --log and --output. */
function explainMissingDirectory(message: string): string[] {
  const [, path] =
    /^opening (?:PID-file|log file|output file) '(.+)' failed: No such file/.exec(message) ?? [];
  if (path === undefined || existsSync(dirname(path))) return [];
  return [`the directory '${dirname(path)}' does not exist: create it first`];
}

/** Looked at from inside by now. */
function explainInsideChroot({ chroot, chdir }: RawOptions, message: string): string[] {
  if (chroot === undefined || chdir === undefined || !message.startsWith('chdir(')) return [];
  return [`-d is inside the chroot: '${chdir}' of '${chroot}'`];
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** What the surroundings have against a start that goes on all the same. */
export function suspectSurroundings(config: Config, caller: Caller): string[] {
  const { model, program } = config;
  return [
    ...describeAuto(config),
    ...(model === 'exec' && readVariable(caller.environment, 'NOTIFY_SOCKET')
      ? [
          'NOTIFY_SOCKET is set, and with -n alone only the program itself can answer it: with --supervise the supervisor does',
        ]
      : []),
    ...(model === 'exec' && process.pid === 1 && !handlesTerm(program)
      ? [
          'with -n alone the program becomes PID 1, and the kernel keeps TERM from a PID 1 that has no handler for it: where a stop takes until the KILL, add --supervise',
        ]
      : []),
  ];
}

/** For people alone: to a script it is what it has asked for. */
function describeAuto({ processors, range: { min, max } }: Config): string[] {
  if (processors === undefined || libc.isatty(2) !== 1) return [];
  const count = plural(processors, 'processor');
  return [
    `auto: this process may use ${count}, so ${min === max ? plural(max, 'worker') : `at most ${max} workers`}`,
  ];
}

/** php-cgi has one; of others only themselves know. */
function handlesTerm(program: Config['program']): boolean {
  const words = program.kind === 'shell' ? program.command.trim().split(/\s+/) : program.argv;
  return /(?:^|\/)php-cgi[^/]*$/.test(words[0] ?? '');
}
