// Addresses in the notation of other programs (nginx, php-fpm, systemd): which options
// say the same here. Only hints: what 1.6 makes of such a value goes on.
import { shellQuote } from '../../core/text/shell-quote.ts';
import type { RawOptions } from '../options.ts';

const scheme = /^(?:tcp[46]?|inet6?|fcgi|fastcgi|http):(?:\/\/)?/i;
const endpoint = /^(?:\[([\da-f:.]+)\]|([^\s:/[\]]*))(?::(\d{1,5}))?\/?$/i;

/** The options for an address as others write it; undefined where nothing is known of it. */
export function optionsFor(text: string): string | undefined {
  const path =
    /^(?:unix|local):(?:\/\/(?=\/))?(.+)$/i.exec(text)?.[1] ?? (text.startsWith('/') ? text : undefined);
  if (path !== undefined) return `-s ${shellQuote(path)}`;
  const [, six, four, port] = endpoint.exec(text.replace(scheme, '')) ?? [];
  const host = six ?? (four === '*' ? '' : four);
  if (host === undefined || (host === '' && port === undefined)) return undefined;
  const [address, service] = [host && `-a ${host}`, port === undefined ? '' : `-p ${port}`];
  return [address, service].filter(Boolean).join(' ');
}

/** A path for -s that is hardly meant to be one. */
export function suspectSocket({ socket }: RawOptions): string[] {
  if (socket === undefined) return [];
  if (socket.startsWith('@')) {
    return [
      `-s takes a path: '${socket}' is a file of this name, not an abstract socket, which spawn-fcgi does not have`,
    ];
  }
  if (/^\$\{?\w/.test(socket)) {
    return [
      `-s takes a path: '${socket}' is a file of this name, not a variable; systemd expands none in the values of EnvironmentFile=`,
    ];
  }
  if (/^\d{1,5}$/.test(socket))
    return [`-s takes a path: '${socket}' is a file of this name; for a TCP port: -p ${socket}`];
  const isNotation =
    /^(?:unix|local):/i.test(socket) || scheme.test(socket) || /^[^/]*:\d{1,5}$/.test(socket);
  const options = isNotation ? optionsFor(socket) : undefined;
  return options === undefined ? [] : [`-s takes a path and nothing else; '${socket}' is written ${options}`];
}

/** For a refusal of -a or -p, or for none of them. */
export function explainAddress({ address, port, socket }: RawOptions, message: string): string[] {
  if (message.startsWith('invalid port') && port !== undefined) return describe('-p', port, undefined);
  const isRefused = message.endsWith('is not a valid IP address') || message.startsWith('no socket given');
  return isRefused && address !== undefined && socket === undefined ? describe('-a', address, port) : [];
}

function describe(flag: string, value: string, port: string | undefined): string[] {
  if (value === '*')
    return ['without -a the pool listens on every IPv4 address, with -a :: on every address'];
  const options = optionsFor(value);
  if (options === undefined || options === `${flag} ${value}`) return [];
  const isPortMissing = options.startsWith('-a') && !options.includes('-p ');
  // A mistyped number is no address.
  if (isPortMissing && flag === '-p') return [];
  return [`'${value}' is written ${options}${isPortMissing && port !== undefined ? ` -p ${port}` : ''}`];
}
