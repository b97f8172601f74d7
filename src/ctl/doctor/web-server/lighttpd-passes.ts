// Where lighttpd passes requests to: the groups of fastcgi.server, which may stand on one line or on ten.
import type { Line } from './configuration.ts';
import { addressesIn, type Pass } from './pass.ts';

/** A setting that matters, another text or a comment, whose setting begins, and where a group begins or ends. */
const token =
  /"(socket|host|port|bin-path)"\s*=>\s*(?:"([^"]*)"|(\d+)|[\w.-]*)(\s*\+)?|"[^"]*"|#.*|\b([a-z-]+(?:\.[a-z-]+)+)\s*[+:]?=(?![>~=])|[()]/g;

interface Group {
  readonly values: Map<string, string>;
  readonly lines: Map<string, Line>;
}

export function lighttpdPasses(lines: readonly Line[]): Pass[] {
  const passes: Pass[] = [];
  let group = emptyGroup();
  let setting = 'fastcgi.server';
  const finish = (): void => {
    // Of other modules: HTTP, or SCGI.
    if (setting === 'fastcgi.server') passes.push(...passOf(group));
    group = emptyGroup();
  };
  for (const line of lines)
    for (const [whole, key, text, number, isSum, name] of line.text.matchAll(token)) {
      if (key !== undefined) {
        // A variable is not known, nor a sum of texts and variables.
        group.values.set(key, isSum === undefined ? (text ?? number ?? '') : '');
        group.lines.set(key, line);
      } else if (name !== undefined || whole === '(' || whole === ')') {
        finish();
        setting = name ?? setting;
      }
    }
  finish();
  return passes;
}

function emptyGroup(): Group {
  return { values: new Map(), lines: new Map() };
}

function passOf({ values, lines }: Group): Pass[] {
  const line = lines.get('socket') ?? lines.get('host') ?? lines.get('port');
  // What it starts itself has sockets of other names, and is nobody else's.
  if (!line || values.has('bin-path') || !(values.has('socket') || values.has('port'))) return [];
  const socket = values.get('socket');
  const address =
    socket === undefined ? `${values.get('host') ?? '127.0.0.1'}:${values.get('port')}` : `unix:${socket}`;
  return [{ text: line.text.trim(), place: line.place, addresses: addressesIn(address) }];
}
