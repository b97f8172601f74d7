// Values of a pool of php-fpm that are more than a word, and what [global] says for all of them.
import { parseAddress } from '../kinds/arguments.ts';
import { isOn } from '../syntax/php-ini.ts';
import type { Setting } from '../syntax/python-ini.ts';
import type { Draft, Note } from '../wanted-pool.ts';

export interface PhpPool {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly of: (setting: string) => string | undefined;
  /** Of [global]. */
  readonly ofAll: (setting: string) => string | undefined;
  /** Of php-cgi. */
  readonly arguments: string[];
  /** What stands in the brackets of the name. */
  readonly key: string;
  /** The whole name. */
  readonly setting: string;
}

export function addListen({ options }: Draft, value: string): void {
  const address = parseAddress(value);
  if ('port' in address && address.address === undefined) Object.assign(options, address, { address: '::' });
  else Object.assign(options, address);
}

export function workersOf(of: PhpPool['of']): string {
  const max = of('pm.max_children') ?? '1';
  const least = of('pm.min_spare_servers') ?? '1';
  const most = of('pm.max_spare_servers') ?? least;
  const between = String(Number(least) + Math.trunc((Number(most) - Number(least)) / 2));
  const start = of('pm') === 'dynamic' ? (of('pm.start_servers') ?? between) : '1';
  return of('pm') === 'static' || start === max ? max : `${start}-${max}`;
}

/** What [global] says for every pool that says nothing. */
export function addGlobals(draft: Draft, { of, ofAll }: PhpPool): void {
  const { options } = draft;
  const stop = ofAll('process_control_timeout');
  if (stop !== undefined && !/^0\w*$/.test(stop)) options.stopTimeout = toTime(stop);
  const nice = ofAll('process.priority');
  if (nice !== undefined) options.nice ??= nice;
  for (const [setting, limit] of [
    ['rlimit_files', 'nofile'],
    ['rlimit_core', 'core'],
  ] as const) {
    const value = ofAll(setting);
    if (value !== undefined && of(setting) === undefined) draft.addLimit(`${limit}=${value}`);
  }
}

/** php-fpm has days, too. */
export function toTime(value: string): string {
  const days = /^(\d+)d$/.exec(value)?.[1];
  return days === undefined ? value : `${Number(days) * 24}h`;
}

export function addStatus(draft: Draft, value: string, { key, of }: PhpPool): void {
  const listen = of('pm.status_listen');
  const { socket } = draft.options;
  if (key === 'pm.status_listen' || (listen !== undefined && of('pm.status_path') === undefined)) return;
  const own = (of('listen') ?? '').startsWith('/')
    ? `${(of('listen') ?? '').replace(/\.sock(?:et)?$/, '')}.status.sock`
    : undefined;
  const target = listen ?? own ?? socket;
  if (target === undefined)
    draft.lose(
      `pm.status_path = ${value}: add --status-socket ADDRESS, and let the web server pass ${value} there`,
    );
  else {
    draft.options.statusSocket = target;
    if (listen === undefined)
      draft.remark(
        `pm.status_path = ${value}: let the web server pass that path to ${target}, where the supervisor answers`,
      );
  }
}

export function outputOf(log: string | undefined): string {
  return log?.startsWith('/') === true ? log : 'journal';
}

export function addVariable(draft: Draft, value: string, { key, environment }: PhpPool): void {
  const name = /^\$\{?(\w+)\}?$/.exec(value)?.[1];
  const known = name === undefined ? value : environment[name];
  if (name === key) draft.inherits = [...(draft.inherits ?? []), name];
  else if (known === undefined)
    draft.lose(
      `env[${key}] = ${value}: it is not set here; call this command with ${name} set, and it is filled in`,
    );
  else draft.addVariable(key, known);
}

export function addPhpValue(draft: Draft, value: string, { key, setting, arguments: words }: PhpPool): void {
  const isAdmins = setting.startsWith('php_admin') && !fixed.has(key);
  // php-fpm makes a number of it, of which ini_get() tells.
  const text = setting.includes('_flag[') ? String(Number(isOn(value))) : value;
  words.push('-d', `${key}=${text}`);
  if (isAdmins)
    draft.remark(`php_admin_…[${key}]: with -d a script may change it, where PHP lets it (ini_set)`);
}

/** What no script may change, wherever it is set. */
const fixed = new Set([
  'disable_functions',
  'disable_classes',
  'extension',
  'zend_extension',
  'upload_tmp_dir',
  'open_basedir',
]);

/** Settings of [global] that mean something here. */
export function globalNotes(settings: readonly Setting[]): Note[] {
  const says: Record<string, string> = {
    emergency_restart_threshold:
      'a worker that crashes is replaced, less and less often; --start-limit N/TIME ends a pool that only crashes',
    'process.max': 'each pool has its own number of workers',
  };
  return settings.flatMap(({ name, value }) =>
    says[name] === undefined || value === '0'
      ? []
      : [{ isLost: true, says: `[global] ${name} = ${value}: ${says[name]}` }],
  );
}
