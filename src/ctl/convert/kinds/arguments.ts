// The arguments of spawn-fcgi 1.6 and of multiwatch, as an exec would get them, made into a pool.
import { readCommandLine } from '../../../command-line/read-command-line.ts';
import { SpawnFcgiError } from '../../../core/errors.ts';
import { baseName } from '../../../core/text/program-word.ts';
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { type Field, splitWords } from '../shell/expand.ts';
import { readScript } from '../shell/script.ts';
import { Draft } from '../wanted-pool.ts';
import { addCircumstances } from './circumstances.ts';
import { followSocket } from './socket-changes.ts';

export function isSpawnFcgi({ text, unknown }: Field): boolean {
  if (unknown.length > 0) return /spawn_?fcgi/i.test(text);
  return /^spawn-fcgi(?:[.-]?1\.6[\d.]*|\.real|\.lighttpd)?$/.test(baseName(text));
}

export function isMultiwatch(word: string): boolean {
  return baseName(word) === 'multiwatch';
}

/** Known words as fields. */
export function toFields(words: readonly string[]): Field[] {
  return words.map((text) => ({ text, unknown: [] }));
}

/** What spawn-fcgi's arguments say; false: they start nothing (-h, -v, none). */
export function addArguments(draft: Draft, given: readonly Field[]): boolean {
  if (given.length === 0) return false;
  const fields = given.map(asWorkers);
  const unknown = fields.flatMap((field) => field.unknown);
  const isUnknown = (text: string): boolean => unknown.some((source) => text.includes(source));
  try {
    const request = readCommandLine(
      fields.map(({ text }) => text),
      false,
    );
    if (request.kind !== 'start') return false;
    Object.assign(draft.options, request.options);
    for (const { key, flag, value } of request.given) {
      if (value === undefined || !isUnknown(value)) continue;
      delete draft.options[key];
      draft.lose(`${flag} ${value}: the input does not say what that is; give ${flag} by hand`);
    }
    const { workers = '1', foreground } = request.options;
    if (foreground && workers !== '1')
      draft.remark(`-n -F ${workers}: 1.6 ignores -F with -n; here it is that many workers`);
    addProgram(draft, request.program, isUnknown);
  } catch (error) {
    if (!(error instanceof SpawnFcgiError)) throw error;
    draft.lose(`${error.message}: 1.6 starts nothing with that, and neither does this`);
  }
  return true;
}

/** `-F $(nproc)`, and `-f $(nproc)` of multiwatch, without the run. */
function asWorkers(field: Field, index: number, fields: readonly Field[]): Field {
  const isCount =
    /^(?:\$\(\s*nproc\s*\)|`nproc`)$/.test(field.text) &&
    /^(?:-F|-f|--forks)$/.test(fields[index - 1]?.text ?? '');
  return isCount ? { text: 'auto', unknown: [] } : field;
}

function addProgram(draft: Draft, operands: readonly string[], isUnknown: (text: string) => boolean): void {
  const first = operands.findIndex((word) => !isUnknown(word));
  for (const word of operands.slice(0, Math.max(first, 0)))
    draft.lose(`${word}: the input does not say what that is; if there are options in it, give them by hand`);
  const program = first < 0 ? operands : operands.slice(first);
  const { command } = draft.options;
  if (program.length > 0) {
    for (const word of program.filter(isUnknown))
      draft.lose(
        `${word}: the input does not say what that is; it stands as it is in the program's arguments`,
      );
    takeProgram(draft, program);
    delete draft.options.command;
  } else if (command !== undefined) {
    const words = splitWords(command.replace(/^\s*exec\s+/, ''), new Map());
    if (!isMultiwatch(words[0]?.text ?? '')) return;
    delete draft.options.command;
    takeProgram(
      draft,
      words.map(({ text }) => text),
    );
  }
}

/** The program and its arguments; of multiwatch what it would run. */
export function takeProgram(draft: Draft, argv: readonly string[]): void {
  if (!isMultiwatch(argv[0] ?? '')) draft.program = argv;
  else takeMultiwatch(draft, argv.slice(1));
}

/** By GLib's rules as multiwatch uses them: options end at the first operand, or at `--`. */
function takeMultiwatch(draft: Draft, args: readonly string[]): void {
  const values = new Map<string, string>();
  let index = 0;
  for (; index < args.length; index++) {
    const word = args[index] ?? '';
    if (word === '--' || !word.startsWith('-')) break;
    const match = /^(?:--(forks|retry|timeout|signal)(?:=([^]*))?|-([frts])([^]*))$/.exec(word);
    if (!match) {
      draft.lose(`multiwatch ${word}: not known`);
      continue;
    }
    const [, long, longValue, short, shortValue] = match;
    const value = longValue ?? (shortValue || undefined) ?? args[++index] ?? '';
    values.set((long ?? short ?? '').charAt(0), value);
  }
  draft.program = args.slice(args[index] === '--' ? index + 1 : index);
  draft.options.workers = values.get('f') ?? '1';
  if (draft.options.foreground) draft.options.supervise = true;
  addMultiwatch(draft, values);
}

function addMultiwatch(draft: Draft, values: ReadonlyMap<string, string>): void {
  const signal = values.get('s');
  if (signal !== undefined) draft.options.stopSignal = signal;
  const retries = values.get('r');
  const timeout = values.get('t');
  if (retries !== undefined)
    draft.lose(
      `multiwatch -r ${retries}: it gives up after so many failures of one worker; a worker is never given up here, only a whole pool: --start-limit ${retries}/10s`,
    );
  if (timeout !== undefined)
    draft.remark(
      `multiwatch -t ${timeout}: it counts failures anew after ${timeout} ms; here the delay between two tries starts anew after 10 s`,
    );
}

/** A command of any of the known programs that start a pool; false: it is none. */
export function addCommand(draft: Draft, argv: readonly string[]): boolean {
  const [first = '', ...rest] = argv;
  if (isSpawnFcgi({ text: first, unknown: [] })) return addArguments(draft, toFields(rest));
  if (isMultiwatch(first)) {
    Object.assign(draft.options, { foreground: true, listenFd: '0' });
    takeProgram(draft, argv);
    return true;
  }
  return takeBoundPhp(draft, argv) || takeWrapped(draft, argv);
}

/** `sh -c 'exec spawn-fcgi …'`, `env NAME=value spawn-fcgi …`. */
function takeWrapped(draft: Draft, argv: readonly string[]): boolean {
  const script = readScript(argv.map(shellQuote).join(' '));
  const runs = script.runs.filter(
    ({ argv: [inner] }) => inner !== undefined && (isSpawnFcgi(inner) || isMultiwatch(inner.text)),
  );
  const [run, ...others] = runs;
  if (!run) return false;
  const words = run.argv.map(({ text }) => text);
  if (isMultiwatch(words[0] ?? '')) addCommand(draft, words);
  else if (!addArguments(draft, run.argv.slice(1))) return false;
  addCircumstances(draft, run);
  followSocket(draft, run, script);
  for (const { argv: other } of others)
    draft.lose(`${other.map(({ text }) => text).join(' ')}: a second start in one command`);
  return true;
}

/** `php-cgi -b 127.0.0.1:9000`, which opens its socket itself. */
function takeBoundPhp(draft: Draft, argv: readonly string[]): boolean {
  const at = argv.findIndex((word) => /^(?:-b|--bindpath)/.test(word));
  if (at < 1 || !/^php[\d.]*-?cgi[\d.]*$/.test(baseName(argv[0] ?? ''))) return false;
  const attached = /^(?:-b|--bindpath=?)(.+)$/.exec(argv[at] ?? '')?.[1];
  const address = attached ?? argv[at + 1] ?? '';
  draft.program = argv.toSpliced(at, attached === undefined ? 2 : 1);
  Object.assign(draft.options, parseAddress(address));
  return true;
}

/** As PHP reads it: a path, a port, or a host and a port. */
export function parseAddress(text: string): { socket: string } | { address?: string; port: string } {
  if (text.startsWith('/')) return { socket: text };
  const [, host, port] = /^(?:(.*):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined) return { socket: text };
  const bare = host?.replace(/^\[(.*)\]$/, '$1') ?? '';
  return bare === '' || bare === '*' ? { port } : { address: bare, port };
}

/** For a command in one string, as `[program:x]` of supervisord has it. */
export function wordsOf(text: string): string[] {
  return splitWords(text, new Map()).map((field) => field.text);
}
