// The IP addresses that a host of a TARGET stands for.
import { canonicalIp } from './parse-target.ts';

/** IP addresses of a host, IPv4 first; empty for a name that is none. */
export async function addressesOf(host: string): Promise<string[]> {
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  const literal = canonicalIp(host);
  return literal === undefined ? lookUp(host) : [literal];
}

/** As every program of this machine finds them: /etc/hosts of many says nothing of ::1. */
export function knownLocalhost(): Promise<string[]> {
  return lookUp('localhost');
}

function lookUp(host: string): Promise<string[]> {
  return new Promise((done) => {
    // Loaded for names only: it costs 4 ms.
    process
      .getBuiltinModule('node:dns')
      .lookup(host, { all: true, order: 'ipv4first' }, (error, addresses) => {
        done(error ? [] : addresses.map(({ address }) => address));
      });
  });
}
