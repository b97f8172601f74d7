// Where a web server passes requests on to: what its configuration says, and the addresses that this means.
import { canonicalIp } from '../../target/parse-target.ts';
import { formatAddress, type BoundAddress } from '../../../core/pool-id.ts';
import { parseWhole } from '../../../core/quantity.ts';
import { maxPort } from '../../target/parse-target.ts';

export interface Pass {
  /** As written, such as `fastcgi_pass unix:/run/app.sock`. */
  readonly text: string;
  /** `FILE:LINE`. */
  readonly place: string;
  /** Several for a name such as localhost; none where it cannot be told (a variable, a name of DNS). */
  readonly addresses: readonly BoundAddress[];
  /** What nginx has in effect there; undefined of other servers. */
  readonly location?: NginxLocation;
}

export interface NginxLocation {
  readonly root: string | undefined;
  /** Parameters that are passed on, by name. */
  readonly params: ReadonlyMap<string, string>;
  /** client_max_body_size in bytes, and where that is said; undefined: it is not. */
  readonly bodyLimit: { readonly bytes: number; readonly place: string } | undefined;
}

/** `unix:/run/app.sock`, `127.0.0.1:9000`, `[::1]:9000`, `localhost:9000`; none where a variable says a part of it. */
export function addressesIn(text: string): BoundAddress[] {
  if (/[${]/.test(text)) return [];
  const path = /^unix:(?:\/\/(?=\/))?@?(.+?):?$/.exec(text)?.[1];
  if (path !== undefined)
    return [text.startsWith('unix:@') ? { kind: 'abstract', name: path } : { kind: 'unix', path }];
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/i.exec(text);
  const port = parseWhole(match?.[3] ?? '', 1, maxPort);
  if (!match || port === undefined) return [];
  const host = match[1] ?? match[2] ?? '';
  if (host === 'localhost') return [tcp('::1', port), tcp('127.0.0.1', port)];
  const ip = canonicalIp(host);
  return ip === undefined ? [] : [tcp(ip, port)];
}

function tcp(ip: string, port: number): BoundAddress {
  return { kind: 'tcp', family: ip.includes(':') ? 6 : 4, ip, port };
}

/** Whether who connects to the one address gets to a socket that listens on the other. */
export function leadsTo(from: BoundAddress, to: BoundAddress): boolean {
  if (from.kind !== 'tcp' || to.kind !== 'tcp') return formatAddress(from) === formatAddress(to);
  if (from.port !== to.port) return false;
  const everybody = to.ip === '::' || (to.ip === '0.0.0.0' && from.family === 4);
  return everybody || from.ip === to.ip;
}

/** A name has two addresses at most; those that this machine knows it by, if any. */
export function narrow<Known extends Pass>(pass: Known, ips: readonly string[]): Known {
  const known = pass.addresses.filter((one) => one.kind === 'tcp' && ips.includes(one.ip));
  return pass.addresses.length < 2 || known.length === 0 ? pass : { ...pass, addresses: known };
}
