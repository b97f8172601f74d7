// The command line as getopt_long reads it: raw strings out, one-line errors.
// Values are judged in parse-config.
import { exitStatus, SpawnFcgiError } from '../core/errors.ts';
import { getopt, type OptionSpec } from '../sys/getopt.ts';

/** What was given, unjudged; the last of a repeated option wins. */
export interface RawOptions {
  command?: string;
  chdir?: string;
  address?: string;
  port?: string;
  socket?: string;
  socketMode?: string;
  socketUser?: string;
  socketGroup?: string;
  phpChildren?: string;
  workers?: string;
  backlog?: string;
  pidFile?: string;
  foreground?: boolean;
  chroot?: string;
  socketBeforeChroot?: boolean;
  user?: string;
  group?: string;
  supervise?: boolean;
  replace?: boolean;
  name?: string;
  stateDir?: string;
  stopTimeout?: string;
  stopSignal?: string;
  ready?: string;
  readyTimeout?: string;
  settle?: string;
  minUptime?: string;
  restartDelay?: string;
  restartMaxDelay?: string;
  startLimit?: string;
  workerPidFile?: string;
  log?: string;
  logFormat?: string;
}

export type Request =
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  | { readonly kind: 'start'; readonly options: RawOptions; readonly program: readonly string[] };

/** Options that only a supervisor can honour, by the name of their value in RawOptions. */
export const supervisorOptions: readonly (readonly [keyof RawOptions, string])[] = [
  ['name', '--name'],
  ['replace', '--replace'],
  ['stateDir', '--state-dir'],
  ['stopTimeout', '--stop-timeout'],
  ['stopSignal', '--stop-signal'],
  ['ready', '--ready'],
  ['readyTimeout', '--ready-timeout'],
  ['settle', '--settle'],
  ['minUptime', '--min-uptime'],
  ['restartDelay', '--restart-delay'],
  ['restartMaxDelay', '--restart-max-delay'],
  ['startLimit', '--start-limit'],
  ['workerPidFile', '--worker-pid-file'],
  ['log', '--log'],
  ['logFormat', '--log-format'],
];

/** Every option, for the parser and for the test that the documents name it. */
export const specs: readonly (OptionSpec & { readonly key: keyof RawOptions | 'version' | 'help' })[] = [
  { key: 'command', short: 'f', long: 'command', takesValue: true },
  { key: 'chdir', short: 'd', long: 'chdir', takesValue: true },
  { key: 'address', short: 'a', long: 'address', takesValue: true },
  { key: 'port', short: 'p', long: 'port', takesValue: true },
  { key: 'socket', short: 's', long: 'socket', takesValue: true },
  { key: 'socketMode', short: 'M', long: 'socket-mode', takesValue: true },
  { key: 'socketUser', short: 'U', long: 'socket-user', takesValue: true },
  { key: 'socketGroup', short: 'G', long: 'socket-group', takesValue: true },
  { key: 'phpChildren', short: 'C', long: 'php-children', takesValue: true },
  { key: 'workers', short: 'F', long: 'workers', takesValue: true },
  { key: 'backlog', short: 'b', long: 'backlog', takesValue: true },
  { key: 'pidFile', short: 'P', long: 'pid-file', takesValue: true },
  { key: 'foreground', short: 'n', long: 'foreground', takesValue: false },
  { key: 'chroot', short: 'c', long: 'chroot', takesValue: true },
  { key: 'socketBeforeChroot', short: 'S', long: 'socket-before-chroot', takesValue: false },
  { key: 'user', short: 'u', long: 'user', takesValue: true },
  { key: 'group', short: 'g', long: 'group', takesValue: true },
  { key: 'version', short: 'v', long: 'version', takesValue: false },
  { key: 'help', short: 'h', long: 'help', takesValue: false },
  { key: 'help', short: '?', long: undefined, takesValue: false },
  { key: 'supervise', short: undefined, long: 'supervise', takesValue: false },
  { key: 'supervise', short: undefined, long: 'no-supervise', takesValue: false },
  ...supervisorOptions.map(([key, flag]) => ({
    key,
    short: undefined,
    long: flag.slice(2),
    takesValue: key !== 'replace',
  })),
];

/**
 * Reads the arguments after the command's name, in order: -v and -h act where they
 * stand, the last of a repeated option wins. `posixlyCorrect` stops at the first
 * operand, as getopt(3) does. Throws a SpawnFcgiError with getopt's line.
 */
export function readCommandLine(args: readonly string[], posixlyCorrect: boolean): Request {
  const raw: Record<string, string | boolean> = {};
  const found = getopt(args, specs, posixlyCorrect);
  for (;;) {
    const step = found.next();
    if (step.done) return { kind: 'start', options: raw, program: step.value };
    if (step.value.kind === 'mistake') throw refuse(step.value.text, args);
    const { spec, value } = step.value;
    const key = specs.find((candidate) => candidate === spec)?.key ?? 'help';
    if (key === 'version' || key === 'help') return { kind: key };
    raw[key] = value ?? spec.long !== 'no-supervise';
  }
}

/** Refuses values that Node could not decode: it would use another path. -f goes to the shell in bytes. */
export function requireUtf8(raw: RawOptions, encodeValue: (value: string) => Buffer): void {
  for (const { key, short, long } of specs) {
    if (key === 'version' || key === 'help' || key === 'command') continue;
    const value = raw[key];
    if (typeof value !== 'string' || encodeValue(value).equals(Buffer.from(value))) continue;
    throw new SpawnFcgiError(
      `value of ${short === undefined ? `--${long}` : `-${short}`} is not UTF-8: '${value}'`,
    );
  }
}

function refuse(text: string, args: readonly string[]): SpawnFcgiError {
  const lacksValue = text.includes('requires an argument');
  const hints = [...separatorHint(args), ...(lacksValue ? [] : ['spawn-fcgi -h lists the options'])];
  return new SpawnFcgiError(text, { exitCode: exitStatus.refused, hints });
}

/** Options after the program's name are ours, as with getopt; most people mean the program's. */
function separatorHint(args: readonly string[]): string[] {
  const operand = findOperand(args);
  if (operand < 0 || args.includes('--') || !args.slice(operand + 1).some((arg) => arg.startsWith('-')))
    return [];
  const [before, after] = [args.slice(0, operand), args.slice(operand)];
  return [
    `options after '${args[operand]}' are taken as spawn-fcgi's own; put -- before the program: spawn-fcgi ${[...before, '--', ...after].join(' ')}`,
  ];
}

/** Index of the first operand before any `--`; -1 without one. */
export function findOperand(args: readonly string[]): number {
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    if (arg === '--') return -1;
    if (!arg.startsWith('-') || arg === '-') return index;
    if (wantsNextArgument(arg)) index++;
  }
  return -1;
}

/** `-p`, a cluster such as `-np`, or `--port`: its value is the next argument. */
function wantsNextArgument(arg: string): boolean {
  if (arg.startsWith('--')) return specs.some((spec) => spec.takesValue && `--${spec.long}` === arg);
  const letters = arg.slice(1).split('');
  const first = letters.findIndex((letter) => specs.some((spec) => spec.takesValue && spec.short === letter));
  return first >= 0 && first === letters.length - 1;
}
