// Where lighttpd, Apache, Caddy and HAProxy pass requests on to: by the lines that say so, not by their whole grammar.
import { dirname } from 'node:path';
import { caddyPasses } from './caddy-passes.ts';
import type { Configuration, Line } from './configuration.ts';
import { lighttpdPasses } from './lighttpd-passes.ts';
import type { Files } from './nginx-tree.ts';
import { addressesIn, type Pass } from './pass.ts';

interface Grammar {
  readonly user: RegExp;
  readonly include: RegExp;
  /** What relative includes are relative to; undefined: each to the file that it stands in. */
  readonly root: ((path: string, text: string) => string) | undefined;
  readonly passes: (lines: readonly Line[]) => Pass[];
}

const grammars = {
  lighttpd: {
    user: /^\s*server\.username\s*=\s*"([^"]+)"/,
    include: /^\s*include\s+"([^"]+)"/,
    root: dirname,
    passes: lighttpdPasses,
  },
  apache: {
    user: /^\s*User\s+([\w.-]+)/i,
    include: /^\s*Include(?:Optional)?\s+"?([^\s"]+)/i,
    // Mostly it is said where the package was built: /etc/httpd for /etc/httpd/conf/httpd.conf.
    root: (path, text) =>
      /^\s*ServerRoot\s+"?([^\s"]+)/im.exec(text)?.[1] ?? dirname(path).replace(/\/conf$/, ''),
    passes: byLine((text) => {
      const socket = /proxy:unix:([^|"'\s]+)\||unix:([^|"'\s]+)\|fcgi:/.exec(text);
      if (socket) return `unix:${socket[1] ?? socket[2]}`;
      const host = /fcgi:\/\/([^/"'\s>]+)/.exec(text)?.[1];
      if (host !== undefined) return host;
      const external = /FastCgiExternalServer\s+.*-(socket|host)\s+(\S+)/i.exec(text);
      return external ? `${external[1] === 'socket' ? 'unix:' : ''}${external[2]}` : undefined;
    }),
  },
  caddy: {
    user: /^(?!)()/,
    include: /^\s*import\s+(\S*\/\S+)/,
    root: undefined,
    passes: caddyPasses,
  },
  haproxy: {
    user: /^\s*user\s+(\S+)/,
    include: /^(?!)()/,
    root: undefined,
    passes: byLine((text) => {
      const to = /^\s*server\s+\S+\s+(\S+).*\bproto\s+fcgi\b/.exec(text)?.[1];
      return to?.replace(/^unix@|^(?=\/)/, 'unix:');
    }),
  },
} satisfies Record<string, Grammar>;

export function readBy(server: keyof typeof grammars): (path: string, files: Files) => Configuration {
  const grammar: Grammar = grammars[server];
  return (path, files) => {
    const root = grammar.root?.(path, files.read(path) ?? '');
    const lines = linesOf(path, { include: grammar.include, root, files });
    const user = lines.flatMap(({ text }) => grammar.user.exec(text)?.[1] ?? []).at(-1);
    return { user, passes: grammar.passes(lines) };
  };
}

/** Where a line says all of it: the address as addressesIn takes it. */
function byLine(addressIn: (text: string) => string | undefined): (lines: readonly Line[]) => Pass[] {
  return (lines) =>
    lines.flatMap(({ text, place }): Pass[] => {
      const address = addressIn(text);
      return address === undefined ? [] : [{ text: text.trim(), place, addresses: addressesIn(address) }];
    });
}

const deepest = 10;

interface Reading extends Pick<Grammar, 'include'> {
  readonly root: string | undefined;
  readonly files: Files;
}

function linesOf(path: string, reading: Reading, depth = 0): Line[] {
  const { include, root = dirname(path), files } = reading;
  const text = depth > deepest ? undefined : files.read(path);
  return (text ?? '').split('\n').flatMap((line, index): Line[] => {
    if (/^\s*#/.test(line)) return [];
    const included = include.exec(line)?.[1];
    if (included === undefined) return [{ text: line, place: `${path}:${index + 1}` }];
    const whole = included.startsWith('/') ? included : `${root}/${included}`;
    return files.expand(whole).flatMap((one) => linesOf(one, reading, depth + 1));
  });
}
