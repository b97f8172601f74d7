// Raw options to a validated Config: 1.6's checks with its messages, and the
// stricter ones for numbers. Looks at nothing but its arguments.
import { defaults, type Config, type Model, type Program, type StopMethod } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { parseOutput } from '../core/output-target.ts';
import { namesSlot } from '../core/slot-pattern.ts';
import { baseName, programWord } from '../core/text/program-word.ts';
import { parseTime, parseWhole } from '../core/quantity.ts';
import { parseAttributes } from './parse-attributes.ts';
import { parseBacklog, parseListen, parsePort, type Offered } from './parse-listen.ts';
import { parseGuards } from './parse-guards.ts';
import { parseNumber } from './parse-number.ts';
import { parseWorkers, type CountProcessors, type ParsedWorkers } from './parse-workers.ts';
import { parseSignal } from './parse-signal.ts';
import { parseDuration, parseDurationFrom } from './parse-time.ts';
import { parseSpares } from './parse-spares.ts';
import { parseStatusSocket } from './parse-status-socket.ts';
import { parseVariables } from './parse-variables.ts';
import { flagOf, rootOptions, supervisorOptions, type RawOptions } from './options.ts';

/** Builds the configuration; `isRoot` decides whether root's options count (1.6 ignores them otherwise). */
export function parseConfig(
  raw: RawOptions,
  operands: readonly string[],
  isRoot: boolean,
  offered: Offered = 'nothing',
  countProcessors: CountProcessors = () => 1,
): Config {
  const port = parsePort(raw.port);
  const program = parseProgram(raw, operands);
  const listen = parseListen(raw, port, offered);
  const { isRange, ...numbers } = parseWorkers(raw.workers, countProcessors);
  const allowed = isRoot ? raw : withoutRootOptions(raw);
  const argv0 = parseName(raw.name) ?? nameOf(program);
  return {
    program,
    model: chooseModel(raw, { isRange, ...numbers }),
    argv0,
    name: baseName(argv0),
    listen,
    backlog: parseBacklog(raw.backlog) ?? defaults.backlog,
    socketMode: parseMode(raw.socketMode),
    socketUser: allowed.socketUser,
    socketGroup: allowed.socketGroup,
    controlGroup: allowed.controlGroup,
    user: allowed.user,
    group: allowed.group,
    chroot: allowed.chroot,
    socketBeforeChroot: allowed.socketBeforeChroot ?? false,
    directory: raw.chdir,
    spares: parseSpares(raw),
    ...numbers,
    idleTimeoutMs: parseDurationFrom('--idle-timeout', raw.idleTimeout, 1000, '1s') ?? defaults.idleTimeoutMs,
    variables: parseVariables(raw),
    phpChildren: parseNumber('-C', raw.phpChildren, 0, 65_535),
    pidFile: raw.pidFile,
    workerPidFile: parsePattern(raw.workerPidFile, numbers.range.max),
    stateDir: raw.stateDir,
    attributes: parseAttributes(raw),
    oomScoreAdj: parseNumber('--oom-score-adj', raw.oomScoreAdj, -1000, 1000),
    ...parseSupervision(raw),
    guards: parseGuards(raw),
    output: raw.output === undefined ? undefined : parseOutput(raw.output),
    statusSocket: parseStatusSocket(raw.statusSocket),
    logFile: raw.log,
    logFormat: parseLogFormat(raw.logFormat),
    hints: isRoot ? [] : describeIgnored(raw),
  };
}

/** What only a supervisor takes into account. */
function parseSupervision(
  raw: RawOptions,
): Pick<
  Config,
  | 'replace'
  | 'stopTimeoutMs'
  | 'stopMethod'
  | 'keepaliveQuietMs'
  | 'ready'
  | 'notifyFd'
  | 'readyTimeoutMs'
  | 'settleMs'
  | 'restart'
> {
  return {
    replace: raw.replace ?? false,
    stopTimeoutMs: parseDuration('--stop-timeout', raw.stopTimeout) ?? defaults.stopTimeoutMs,
    stopMethod: parseStopSignal(raw.stopSignal),
    keepaliveQuietMs: parseDuration('--keepalive-quiet', raw.keepaliveQuiet) ?? defaults.keepaliveQuietMs,
    ready: parseReady(raw.ready),
    notifyFd: parseNumber('--notify-fd', raw.notifyFd, 3, 65_535),
    readyTimeoutMs: parseDuration('--ready-timeout', raw.readyTimeout) ?? defaults.readyTimeoutMs,
    settleMs: parseDuration('--settle', raw.settle) ?? defaults.settleMs,
    restart: {
      minUptimeMs: parseDuration('--min-uptime', raw.minUptime) ?? defaults.minUptimeMs,
      ...parseDelays(raw),
      startLimit: parseStartLimit(raw.startLimit),
    },
  };
}

function withoutRootOptions(raw: RawOptions): RawOptions {
  const rest = { ...raw };
  for (const { key } of rootOptions) delete rest[key];
  return rest;
}

function describeIgnored(raw: RawOptions): string[] {
  const given = rootOptions.filter(({ key }) => raw[key] !== undefined).map(flagOf);
  return given.length === 0
    ? []
    : [`${given.join(', ')} ignored: only root can use ${given.length === 1 ? 'it' : 'them'}`];
}

function parseProgram(raw: RawOptions, operands: readonly string[]): Program {
  const [first, ...rest] = operands;
  if (first !== undefined) return { kind: 'argv', argv: [first, ...rest] };
  if (raw.command === undefined) throw new SpawnFcgiError('no FastCGI application given');
  return { kind: 'shell', command: raw.command };
}

function chooseModel(raw: RawOptions, { workers, isRange, processors }: ParsedWorkers): Model {
  const ofOptions = supervisorOptions.filter(({ key }) => raw[key] !== undefined).map(flagOf);
  const needed = isRange ? [`-F ${raw.workers}`, ...ofOptions] : ofOptions;
  if (raw.supervise === false) {
    if (needed.length > 0) {
      throw new SpawnFcgiError(
        `--no-supervise and ${needed.join(', ')} exclude each other: only a supervisor can do that`,
      );
    }
    return raw.foreground ? 'exec' : 'unsupervised';
  }
  if (!raw.foreground) return 'background';
  // What the process becomes must not depend on the machine.
  const isMany = workers > 1 || processors !== undefined;
  return raw.supervise || isMany || needed.length > 0 ? 'foreground' : 'exec';
}

/** As written: scripts compare it with the path that they have. */
function nameOf(program: Program): string {
  const word = programWord(program);
  return baseName(word) === '' ? 'spawn-fcgi' : word;
}

function parseName(text: string | undefined): string | undefined {
  if (text === undefined || baseName(text) !== '') return text;
  throw new SpawnFcgiError(`invalid name for --name: '${text}'`);
}

function parseMode(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) return Number.parseInt(text, 8);
  throw new SpawnFcgiError(`invalid mode for -M: '${text}'`, {
    hints: ['-M takes an octal number such as 0660'],
  });
}

function parseStopSignal(text: string | undefined): StopMethod {
  if (text === undefined || text === 'auto' || text === 'idle-kill') return text ?? 'auto';
  const signal = parseSignal(text);
  if (signal !== undefined) return signal;
  throw new SpawnFcgiError(`invalid value for --stop-signal: '${text}'`, {
    hints: [
      '--stop-signal takes auto, idle-kill, or a signal on which the program finishes its request, such as QUIT',
    ],
  });
}

function parseReady(text: string | undefined): Config['ready'] {
  if (text === undefined) return 'evidence';
  if (text === 'probe' || text === 'notify') return text;
  throw new SpawnFcgiError(`invalid value for --ready: '${text}'`, {
    hints: ['--ready takes probe (answers a FastCGI record) or notify (sends READY=1)'],
  });
}

/** The one that is given moves the default of the other; two that contradict each other are a mistake. */
function parseDelays(raw: RawOptions): Pick<Config['restart'], 'delayMs' | 'maxDelayMs'> {
  const first = parseDelay('--restart-delay', raw.restartDelay);
  const given = parseDelay('--restart-max-delay', raw.restartMaxDelay);
  const delayMs = first ?? Math.min(defaults.restartDelayMs, given ?? defaults.restartDelayMs);
  if (given !== undefined && given < delayMs) {
    throw new SpawnFcgiError(`--restart-max-delay '${raw.restartMaxDelay}' is shorter than the first delay`, {
      hints: [`the first delay, --restart-delay, is ${delayMs} ms`],
    });
  }
  return { delayMs, maxDelayMs: given ?? Math.max(delayMs, defaults.restartMaxDelayMs) };
}

/** A delay of 0 would make a crash loop a busy loop. */
function parseDelay(flag: string, text: string | undefined): number | undefined {
  return parseDurationFrom(flag, text, 10, '10ms');
}

function parseStartLimit(text: string | undefined): Config['restart']['startLimit'] {
  if (text === undefined) return undefined;
  const [count, time, ...rest] = text.split('/');
  const parsed = { count: parseWhole(count ?? '', 1, 1_000_000), withinMs: parseTime(time ?? '') };
  if (parsed.count !== undefined && parsed.withinMs && rest.length === 0) {
    return { count: parsed.count, withinMs: parsed.withinMs };
  }
  throw new SpawnFcgiError(`invalid value for --start-limit: '${text}'`, {
    hints: ['--start-limit takes a count and a time, for example 3/10s'],
  });
}

function parsePattern(pattern: string | undefined, workers: number): string | undefined {
  if (pattern === undefined || workers === 1 || namesSlot(pattern)) return pattern;
  throw new SpawnFcgiError(`--worker-pid-file '${pattern}' has no %i, but there are ${workers} workers`, {
    hints: ['%i stands for the slot: --worker-pid-file /run/app/worker-%i.pid'],
  });
}

function parseLogFormat(text: string | undefined): Config['logFormat'] {
  if (text === undefined || text === 'human' || text === 'json') return text ?? 'human';
  throw new SpawnFcgiError(`invalid value for --log-format: '${text}'`, {
    hints: ['--log-format takes human or json'],
  });
}
