// Pools of php-fpm: the same pools of php-cgi, which is what runs PHP without a manager of its own.
import { resolve } from 'node:path';
import { isOn, readPhpIni } from '../syntax/php-ini.ts';
import type { Section, Setting } from '../syntax/python-ini.ts';
import { type Converted, Draft, type Note } from '../wanted-pool.ts';
import type { Kind, Source, Surroundings } from './kind.ts';
import { phpFpmRows } from '../settings/php-fpm-rows.ts';
import { addGlobals, globalNotes, type PhpPool } from '../settings/php-fpm-values.ts';
import { findRow } from '../settings/row.ts';

export const phpFpm: Kind = {
  name: 'php-fpm',
  title: 'pools of php-fpm',
  matches: ({ text }) =>
    /^\s*\[global\]/m.test(text) ||
    (/^\s*\[[^\]:]+\]/m.test(text) && /^\s*(?:pm(?:\.\w+)?|listen(?:\.\w+)?)\s*=/m.test(text)),
  read: readPhpFpm,
};

function readPhpFpm(source: Source, surroundings: Surroundings): Converted {
  const notes: Note[] = [];
  const sections = locate(source, surroundings, notes, 0);
  const all = sections
    .filter(({ name }) => name === 'global' || name === '')
    .flatMap(({ settings }) => settings);
  const names = new Set(sections.map(({ name }) => name).filter((name) => name !== 'global' && name !== ''));
  const pools = [...names].map((name) => {
    const settings = sections
      .filter((section) => section.name === name)
      .flatMap((section) => section.settings);
    return readPool(name, settings, all, source, surroundings).finish();
  });
  notes.push(...globalNotes(all));
  return { pools, notes };
}

function locate(source: Source, surroundings: Surroundings, notes: Note[], depth: number): Section[] {
  return readPhpIni(source.text).flatMap((section) => [
    section,
    ...section.settings
      .filter(({ name }) => name === 'include' && depth < 5)
      .flatMap(({ value }) => surroundings.include(value, source))
      .flatMap((file) => {
        if (file.refusal === undefined) return locate(file, surroundings, notes, depth + 1);
        notes.push({ isLost: true, says: `${file.path}, which it includes: ${file.refusal}` });
        return [];
      }),
  ]);
}

function readPool(
  name: string,
  settings: readonly Setting[],
  all: readonly Setting[],
  { path }: Source,
  { program, environment }: Surroundings,
): Draft {
  const draft = new Draft(`${path}: [${name}]`, name);
  const values = new Map<string, string>();
  for (const { name: setting, value } of settings) {
    // env[NAME] may be one variable and nothing else, which is filled in.
    const isOwn = setting.startsWith('env[') && /^\$\{\w+\}$/.test(value);
    if (isOwn || !value.includes('${')) values.set(setting, value.replaceAll('$pool', name));
    else
      draft.lose(
        `${setting} = ${value}: of php-fpm's environment, which the input does not tell; it is left out`,
      );
  }
  const pool: PhpPool = {
    environment,
    of: (setting) => values.get(setting),
    ofAll: (setting) => all.findLast((one) => one.name === setting)?.value,
    arguments: [],
    key: '',
    setting: '',
  };
  for (const [setting, value] of values) {
    const row = findRow(phpFpmRows, setting);
    if (!row) draft.lose(`${setting} = ${value}: not known`);
    else row.apply?.(draft, value, { ...pool, setting, key: /\[(.*)\]$/.exec(setting)?.[1] ?? setting });
  }
  addRest(draft, pool);
  draft.program = [program ?? phpCgi(path), ...settingsOf(draft, path), ...pool.arguments];
  return draft;
}

/** The php-cgi of the version whose pool it is: `/etc/php/8.2/fpm/pool.d/www.conf`. */
function phpCgi(path: string): string {
  const [, debian, remi] = /\/php\/(\d+\.\d+)\/|\/remi\/(php\d+)\//.exec(path) ?? [];
  if (remi !== undefined) return `/opt/remi/${remi}/root/usr/bin/php-cgi`;
  return `/usr/bin/php-cgi${debian ?? ''}`;
}

/** Debian has a php.ini for each way to run PHP: that of php-fpm goes on to be read. */
function settingsOf(draft: Draft, path: string): string[] {
  const place = /^.*\/php\/\d+\.\d+\/fpm(?=\/)/.exec(resolve(path))?.[0];
  if (place === undefined) return [];
  draft.addVariable('PHP_INI_SCAN_DIR', `${place}/conf.d`);
  return ['-c', `${place}/php.ini`];
}

/** What php-fpm does without being told. */
function addRest(draft: Draft, pool: PhpPool): void {
  const { options } = draft;
  const isSocket = options.socket !== undefined;
  if (isSocket && options.socketUser === undefined && pool.of('user') !== undefined)
    draft.remark(
      'listen.owner is not set: php-fpm leaves the socket to root; here it is the user of the pool (-U says another one)',
    );
  // Whatever the caller's umask is.
  if (isSocket) options.socketMode ??= '0660';
  if (options.socket === undefined && options.port === undefined) draft.lose('there is no listen = in it');
  if (pool.of('pm.max_requests') === undefined) draft.addVariable('PHP_FCGI_MAX_REQUESTS', '0');
  if (isOn(pool.of('clear_env') ?? 'yes')) draft.inherits ??= [];
  else draft.inherits = undefined;
  addGlobals(draft, pool);
  draft.remark(
    'php-cgi in place of php-fpm has a php.ini of its own, unless -c names one (php-cgi --ini), runs whatever file the web server names (there is no security.limit_extensions), has no fastcgi_finish_request(), and one opcache a worker: -C N -F 1 has one for N',
  );
}
