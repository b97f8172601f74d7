// Where lighttpd, Apache, Caddy and HAProxy pass requests on to: by the lines that say so, not by their whole grammar.
import { dirname } from 'node:path';
import type { Configuration } from './configuration.ts';
import type { Files } from './nginx-tree.ts';
import { addressesIn, type Pass } from './pass.ts';

interface Line {
  readonly text: string;
  readonly place: string;
}

interface Grammar {
  readonly user: RegExp;
  readonly include: RegExp;
  /** Relative includes are relative to this directory of the file. */
  readonly base: (directory: string) => string;
  /** The address in a line, as addressesIn takes it. */
  readonly addressIn: (text: string) => string | undefined;
}

const asIs = (directory: string): string => directory;

const grammars = {
  lighttpd: {
    user: /^\s*server\.username\s*=\s*"([^"]+)"/,
    include: /^\s*include\s+"([^"]+)"/,
    base: asIs,
    addressIn: (text) => {
      const socket = /"socket"\s*=>\s*"([^"]+)"/.exec(text)?.[1];
      if (socket !== undefined) return `unix:${socket}`;
      const port = /"port"\s*=>\s*"?(\d+)/.exec(text)?.[1];
      const host = /"host"\s*=>\s*"([^"]+)"/.exec(text)?.[1] ?? '127.0.0.1';
      return port === undefined ? undefined : `${host}:${port}`;
    },
  },
  apache: {
    user: /^\s*User\s+([\w.-]+)/i,
    include: /^\s*Include(?:Optional)?\s+"?([^\s"]+)/i,
    // /etc/httpd/conf/httpd.conf includes conf.d/*.conf of ServerRoot.
    base: (directory) => directory.replace(/\/conf(?:\.d|\.modules\.d)?$/, ''),
    addressIn: (text) => {
      const socket = /proxy:unix:([^|"'\s]+)\||unix:([^|"'\s]+)\|fcgi:/.exec(text);
      if (socket) return `unix:${socket[1] ?? socket[2]}`;
      const host = /fcgi:\/\/([^/"'\s>]+)/.exec(text)?.[1];
      if (host !== undefined) return host;
      const external = /FastCgiExternalServer\s+.*-(socket|host)\s+(\S+)/i.exec(text);
      return external ? `${external[1] === 'socket' ? 'unix:' : ''}${external[2]}` : undefined;
    },
  },
  caddy: {
    user: /^(?!)()/,
    include: /^\s*import\s+(\S*\/\S+)/,
    base: asIs,
    addressIn: (text) => {
      const to = /^\s*php_fastcgi\s+(?:[^\s{]+\s+)??(unix\/\/?\S+|\S+:\d+)/.exec(text)?.[1];
      return to?.replace(/^unix\/+/, 'unix:/');
    },
  },
  haproxy: {
    user: /^\s*user\s+(\S+)/,
    include: /^(?!)()/,
    base: asIs,
    addressIn: (text) => {
      const to = /^\s*server\s+\S+\s+(\S+).*\bproto\s+fcgi\b/.exec(text)?.[1];
      return to?.replace(/^unix@|^(?=\/)/, 'unix:');
    },
  },
} satisfies Record<string, Grammar>;

export function readBy(server: keyof typeof grammars): (path: string, files: Files) => Configuration {
  const grammar: Grammar = grammars[server];
  return (path, files) => {
    const lines = linesOf(path, grammar, files);
    const user = lines.flatMap(({ text }) => grammar.user.exec(text)?.[1] ?? []).at(-1);
    return { user, passes: lines.flatMap((line) => passIn(line, grammar)) };
  };
}

function passIn({ text, place }: Line, { addressIn }: Grammar): Pass[] {
  const address = addressIn(text);
  return address === undefined ? [] : [{ text: text.trim(), place, addresses: addressesIn(address) }];
}

const deepest = 10;

function linesOf(path: string, grammar: Grammar, files: Files, depth = 0): Line[] {
  const text = depth > deepest ? undefined : files.read(path);
  return (text ?? '').split('\n').flatMap((line, index): Line[] => {
    if (/^\s*#/.test(line)) return [];
    const included = grammar.include.exec(line)?.[1];
    if (included === undefined) return [{ text: line, place: `${path}:${index + 1}` }];
    const whole = included.startsWith('/') ? included : `${grammar.base(dirname(path))}/${included}`;
    return files.expand(whole).flatMap((one) => linesOf(one, grammar, files, depth + 1));
  });
}
