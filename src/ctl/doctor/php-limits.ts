// PHP's post_max_size as far as it can be known without running PHP: the pool's command line, or the files that Debian,
// Red Hat and others read.
import { parseSize } from '../../core/quantity.ts';
import { ConfigReader } from './web-server/read-config.ts';

export interface PostLimit {
  readonly bytes: number;
  readonly text: string;
  readonly place: string;
}

const assignment = /^\s*post_max_size\s*=\s*"?([\w.]+)"?/gim;

/** By the words of the program's command line and its process's name. Undefined: it is said nowhere that we know of, or there is none (0). */
export function postLimitOf(command: readonly string[], name: string): PostLimit | undefined {
  const given = command.flatMap((word) => /^(?:-d)?post_max_size=(.+)$/.exec(word)?.[1] ?? []).at(-1);
  if (given !== undefined) return limitFrom(given, "the pool's command line");
  const [directory] = command.flatMap((word, index) => (word === '-c' ? (command[index + 1] ?? []) : []));
  const version = /(\d+\.\d+)/.exec(name)?.[1] ?? '*';
  const kind = /fpm/.test(name) ? 'fpm' : 'cgi';
  const usual = [`/etc/php/${version}/${kind}/php.ini`, '/etc/php.ini', '/usr/local/etc/php/php.ini'];
  const own = directory?.startsWith('/') === true ? [directory, `${directory}/php.ini`] : [];
  const reader = new ConfigReader();
  for (const path of [...own, ...usual].flatMap((pattern) => reader.expand(pattern))) {
    const text = reader.read(path);
    if (text === undefined) continue;
    const size = [...text.matchAll(assignment)].at(-1)?.[1];
    return size === undefined ? undefined : limitFrom(size, path);
  }
  return undefined;
}

function limitFrom(text: string, place: string): PostLimit | undefined {
  const bytes = parseSize(text.toUpperCase());
  return bytes === undefined || bytes === 0 ? undefined : { bytes, text, place };
}
