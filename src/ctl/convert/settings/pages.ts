// The tables of docs/convert.md: what becomes of each setting, kind by kind, from the rows that the readers go by.
import { openrcRows } from '../kinds/openrc.ts';
import { uwsgiRows } from '../kinds/uwsgi.ts';
import { lighttpdRows } from './lighttpd-rows.ts';
import { phpFpmRows } from './php-fpm-rows.ts';
import { supervisordRows } from './supervisord-rows.ts';
import { systemdRows } from './systemd-rows.ts';

type Rows = readonly { readonly names: string; readonly becomes: string }[];

/** By the heading that each stands under. */
export const settingTables: Readonly<Record<string, string>> = {
  supervisord: describeRows(supervisordRows),
  lighttpd: describeRows(lighttpdRows),
  'php-fpm': describeRows(phpFpmRows),
  OpenRC: describeRows(openrcRows),
  systemd: describeRows(systemdRows),
  uWSGI: describeRows(uwsgiRows),
};

function describeRows(rows: Rows): string {
  const lines = rows.map(({ names, becomes }) => {
    const settings = names.split(' ').map((name) => `\`${name}\``);
    return `| ${settings.join(', ')} | ${becomes} |\n`;
  });
  return `| setting | becomes |\n| --- | --- |\n${lines.join('')}`;
}
