// The tables of options in README.md and docs/options.md, in Markdown, made from the table of options. The command
// itself does not load this: `npm run pages` writes them, and a test compares them.
import { fillIn, shortForms, type OptionRow } from './option.ts';
import { options } from './options.ts';

/** Of docs/options.md: every option. */
export function describeOptionsPage(): string {
  return table(
    ['short', 'long', 'meaning', 'default', 'since'],
    options.map((option) => {
      const [first, ...others] = shortForms(option);
      const long = first === undefined ? withArgument(`--${option.long}`, option) : `--${option.long}`;
      const short = first === undefined ? [] : [withArgument(first, option), ...others];
      return [
        short.map(code).join(', '),
        code(long),
        describeMeaning(option),
        option.default ?? '',
        option.since,
      ];
    }),
  );
}

/** Of README.md: the options of every day, those with one job in one row. */
export function describeEverydayOptions(): string {
  return table(
    ['option', 'meaning'],
    everyday.map(({ ways, meaning }) => {
      const written = ways.map((names) => names.map(find));
      const labels = written.map((way) => code(way.map(describeShortly).join(' ')));
      return [labels.join(', or '), fillIn(meaning, written[0]?.[0] ?? {})];
    }),
  );
}

interface EverydayRow {
  /** One or more ways to say it, each a line of long names. */
  readonly ways: readonly (readonly string[])[];
  readonly meaning: string;
}

const everyday: readonly EverydayRow[] = [
  { ways: [['address', 'port'], ['socket']], meaning: 'where to listen' },
  {
    ways: [['socket-mode', 'socket-user', 'socket-group']],
    meaning: 'mode and owner of a Unix socket: [who may connect](docs/sockets.md)',
  },
  {
    ways: [['user', 'group', 'chroot', 'chdir']],
    meaning: 'privileges, chroot, working directory of the workers',
  },
  {
    ways: [['workers']],
    meaning: 'number of workers; `2-8`: [as many as the load needs](docs/scaling.md); `auto`: the processors',
  },
  { ways: [['pid-file']], meaning: "the supervisor's PID" },
  {
    ways: [['foreground'], ['foreground', 'supervise']],
    meaning: 'stay in the foreground: become the program, or supervise it',
  },
  { ways: [['command']], meaning: 'the program as a shell command' },
  {
    ways: [['replace']],
    meaning: 'take over the pool that runs on the address, without refusing a connection',
  },
  { ways: [['stop-timeout']], meaning: 'patience with requests under way, default {default}' },
  { ways: [['env']], meaning: 'a variable of the workers, `%i` is the slot' },
  {
    ways: [['output']],
    meaning:
      "what workers print: to a file, to a log program (`'\\|COMMAND'`), `journal`, `inherit`, `null` ([output](docs/output.md))",
  },
  {
    ways: [['log']],
    meaning:
      'events of the supervisor; default: syslog, or stderr with `-n`; `--log -`: standard output ([logs](docs/logs.md))',
  },
  { ways: [['no-supervise']], meaning: "1.6's model: start the workers, leave nothing behind" },
];

function find(name: string): OptionRow {
  const found = options.find(({ long }) => long === name);
  if (!found) throw new Error(`no option --${name}`);
  return found;
}

/** Without the default, which has a column of its own. */
function describeMeaning(option: OptionRow): string {
  const text = (option.details ?? option.help).replace(
    /^default \{default\}; |[,;] default:? \{default\}(?=[,;:]|$)/,
    '',
  );
  const meaning = fillIn(text, option);
  return option.needsRoot ? `root only: ${meaning}` : meaning;
}

function describeShortly(option: OptionRow): string {
  return withArgument(shortForms(option)[0] ?? `--${option.long}`, option);
}

function withArgument(name: string, { argument, metavar }: OptionRow): string {
  const written = metavar ?? argument?.replaceAll(/[<>]/g, '').toUpperCase();
  return written === undefined ? name : `${name} ${written}`;
}

function code(text: string): string {
  return `\`${text.replaceAll('|', String.raw`\|`)}\``;
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, heading.map(() => '---'), ...rows];
  return lines
    .map((cells) => `|${cells.map((cell) => (cell === '' ? ' ' : ` ${cell} `)).join('|')}|\n`)
    .join('');
}
