// The options that there are: names, letters, and what they become. Values are judged
// in parse-config.
import { SpawnFcgiError } from '../core/errors.ts';
import type { OptionSyntax } from './getopt.ts';

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
  oomScoreAdj?: string;
  log?: string;
  logFormat?: string;
}

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
  ['oomScoreAdj', '--oom-score-adj'],
  ['log', '--log'],
  ['logFormat', '--log-format'],
];

/** Every option, for the parser and for the test that the documents name it. */
export const specs: readonly (OptionSyntax & { readonly key: keyof RawOptions | 'version' | 'help' })[] = [
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

/** A key of the table that stands for a value; the others act where they stand. */
export type OptionKey = keyof RawOptions;

/** How people write an option: `-d`, or `--settle` without a letter. */
export function flagOf({ short, long }: Pick<OptionSyntax, 'short' | 'long'>): string {
  return short === undefined ? `--${long}` : `-${short}`;
}

/** Refuses values that Node could not decode: it would use another path. -f goes to the shell in bytes. */
export function requireUtf8(raw: RawOptions, encodeValue: (value: string) => Buffer): void {
  for (const { key, short, long } of specs) {
    if (key === 'version' || key === 'help' || key === 'command') continue;
    const value = raw[key];
    if (typeof value !== 'string' || encodeValue(value).equals(Buffer.from(value))) continue;
    throw new SpawnFcgiError(`value of ${flagOf({ short, long })} is not UTF-8: '${value}'`);
  }
}
