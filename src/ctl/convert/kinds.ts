// The kinds of input that are known, and which one a text is.
import { commandLine, multiwatch } from './kinds/command-line.ts';
import type { Kind, Source } from './kinds/kind.ts';
import { lighttpd } from './kinds/lighttpd.ts';
import { openrc } from './kinds/openrc.ts';
import { phpFpm } from './kinds/php-fpm.ts';
import { supervisord } from './kinds/supervisord.ts';
import { sysconfig } from './kinds/sysconfig.ts';
import { systemdUnit } from './kinds/systemd-unit.ts';
import { uwsgi } from './kinds/uwsgi.ts';

/** In the order in which a text is tried: those with a sign that no other one has come first. */
export const kinds: readonly Kind[] = [
  supervisord,
  uwsgi,
  systemdUnit,
  lighttpd,
  phpFpm,
  openrc,
  sysconfig,
  multiwatch,
  commandLine,
];

export function guessKind(source: Source): Kind | undefined {
  return kinds.find((kind) => kind.matches(source));
}
