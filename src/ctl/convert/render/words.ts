// A pool's command line as words: options in the order in which people write them.
import { flagOf, type OptionKey, options } from '../../../command-line/options.ts';
import type { Variable, WantedPool } from '../wanted-pool.ts';

/** These come first; the others in the order of -h. */
const leading: readonly OptionKey[] = [
  'foreground',
  'supervise',
  'listenFd',
  'socket',
  'address',
  'port',
  'socketMode',
  'socketUser',
  'socketGroup',
  'backlog',
  'chroot',
  'socketBeforeChroot',
  'user',
  'group',
  'chdir',
  'umask',
  'workers',
  'phpChildren',
];
const trailing: readonly OptionKey[] = ['pidFile', 'command'];

/** An option with its value, or a word alone. */
export type Words = readonly string[];

export function optionWords(pool: WantedPool, without: ReadonlySet<OptionKey> = new Set()): Words[] {
  const rows = options.filter(({ key }) => key !== 'version' && key !== 'help' && !without.has(key));
  const rank = (key: string): number => {
    const [first, last] = [leading.indexOf(key as OptionKey), trailing.indexOf(key as OptionKey)];
    return first >= 0 ? first : last >= 0 ? 2000 + last : 1000;
  };
  const seen = new Set<string>();
  return rows
    .toSorted((one, other) => rank(one.key) - rank(other.key))
    .flatMap((row) => {
      const value = pool.options[row.key as OptionKey];
      const isMeant = row.argument !== undefined || value === (row.sets ?? true);
      if (value === undefined || !isMeant || seen.has(row.key)) return [];
      seen.add(row.key);
      if (typeof value === 'boolean') return [[flagOf(row)]];
      return [value].flat().map((one) => [flagOf(row), one]);
    });
}

export function variableWords(variables: readonly Variable[]): Words[] {
  return variables.map(({ name, value }) => ['--env', `${name}=${value}`]);
}

/** The program behind `--`; nothing where -f has it. */
export function programWords({ program }: WantedPool): Words[] {
  const [first, ...rest] = program;
  return first === undefined ? [] : [['--', first], ...rest.map((word) => [word])];
}
