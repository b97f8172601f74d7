// What whoever has a listening socket may set on it for all who share it, and what of that keeps clients or their answers
// away: connections inherit nearly all of it. Told by name, and set back to what a new socket has.
import { libc } from '../libc/libc.ts';
import {
  AF_INET6,
  AF_UNIX,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  SO_DETACH_FILTER,
  SO_REUSEADDR,
} from '../libc/socket-numbers.ts';
import { F_GETFL, F_SETFL, F_SETOWN, F_SETSIG, O_ASYNC } from '../libc/fcntl-numbers.ts';
import { attachedFilter, localAddress, rawOption, setRawOption, socketOption } from './socket-facts.ts';

const SO_BINDTOIFINDEX = 62;
const SO_BUF_LOCK = 72;
const deviceName = 'SO_BINDTODEVICE';
const filterName = 'SO_ATTACH_FILTER';

type Family = 'every' | 'tcp' | 'six';

interface ListenerOption {
  readonly name: string;
  readonly of: Family;
  readonly level: number;
  readonly number: number;
  readonly bytes?: number;
  /** Whether clients are kept out with it, or get no answer, or a wrong one. Without it, it only makes things slow. */
  readonly keepsOut?: (value: Buffer) => boolean;
  /** What to set instead of the value of a new socket. */
  readonly normal?: number;
}

const int = (value: Buffer): number => value.readInt32LE();
const isSet = (value: Buffer): boolean => int(value) !== 0;
/** struct timeval: programs may mean a second or more of it. */
const isShort = (value: Buffer): boolean => value.readBigInt64LE() === 0n && value.readBigInt64LE(8) !== 0n;
const isBelow =
  (limit: number) =>
  (value: Buffer): boolean =>
    isSet(value) && int(value) < limit;
const fewHops = 32;
const slowBytesPerSecond = 100_000n;
const longDelayUs = 100_000;
const mostWindow = 0x3fff_c000;

const options: readonly ListenerOption[] = [
  // accept(2) gives up before anybody comes; connections inherit it.
  { name: 'SO_RCVTIMEO', of: 'every', level: SOL_SOCKET, number: 20, bytes: 16, keepsOut: isShort },
  { name: 'SO_SNDTIMEO', of: 'tcp', level: SOL_SOCKET, number: 21, bytes: 16, keepsOut: isShort },
  // On for no time: close(2) takes the answer back that was not read yet.
  {
    name: 'SO_LINGER',
    of: 'tcp',
    level: SOL_SOCKET,
    number: 13,
    bytes: 8,
    keepsOut: (value) => isSet(value) && value.readInt32LE(4) === 0,
  },
  // read(2) waits for that much.
  { name: 'SO_RCVLOWAT', of: 'tcp', level: SOL_SOCKET, number: 18, keepsOut: (value) => int(value) > 1 },
  { name: 'SO_DONTROUTE', of: 'tcp', level: SOL_SOCKET, number: 5, keepsOut: isSet },
  { name: 'SO_MARK', of: 'tcp', level: SOL_SOCKET, number: 36 },
  {
    name: 'SO_MAX_PACING_RATE',
    of: 'tcp',
    level: SOL_SOCKET,
    number: 47,
    bytes: 8,
    keepsOut: (value) => value.length === 8 && value.readBigUInt64LE() < slowBytesPerSecond,
  },
  // Others of the same user could take a part of the connections.
  { name: 'SO_REUSEPORT', of: 'tcp', level: SOL_SOCKET, number: 15 },
  // The next start could not bind for a minute.
  { name: 'SO_REUSEADDR', of: 'tcp', level: SOL_SOCKET, number: SO_REUSEADDR },
  { name: 'IP_TTL', of: 'tcp', level: IPPROTO_IP, number: 2, keepsOut: isBelow(fewHops) },
  { name: 'IP_MINTTL', of: 'tcp', level: IPPROTO_IP, number: 21, keepsOut: isSet },
  { name: 'IP_MTU_DISCOVER', of: 'tcp', level: IPPROTO_IP, number: 10 },
  { name: 'IP_RECVERR', of: 'tcp', level: IPPROTO_IP, number: 11 },
  { name: 'IPV6_UNICAST_HOPS', of: 'six', level: IPPROTO_IPV6, number: 16, keepsOut: isBelow(fewHops) },
  { name: 'IPV6_MINHOPCOUNT', of: 'six', level: IPPROTO_IPV6, number: 73, keepsOut: isSet },
  { name: 'IPV6_MTU_DISCOVER', of: 'six', level: IPPROTO_IPV6, number: 23 },
  { name: 'IPV6_RECVERR', of: 'six', level: IPPROTO_IPV6, number: 25 },
  // A way of its own for what is sent, the answer to the first segment included.
  {
    name: 'IPV6_RTHDR',
    of: 'six',
    level: IPPROTO_IPV6,
    number: 57,
    bytes: 1024,
    keepsOut: (value) => value.length > 0,
  },
  { name: 'TCP_DEFER_ACCEPT', of: 'tcp', level: IPPROTO_TCP, number: 9 },
  { name: 'TCP_CORK', of: 'tcp', level: IPPROTO_TCP, number: 3 },
  { name: 'TCP_LINGER2', of: 'tcp', level: IPPROTO_TCP, number: 8 },
  { name: 'TCP_USER_TIMEOUT', of: 'tcp', level: IPPROTO_TCP, number: 18, keepsOut: isBelow(1000) },
  {
    name: 'TCP_TX_DELAY',
    of: 'tcp',
    level: IPPROTO_TCP,
    number: 37,
    keepsOut: (value) => int(value) >= longDelayUs,
  },
  // The kernel takes no 0 while the socket listens.
  { name: 'TCP_WINDOW_CLAMP', of: 'tcp', level: IPPROTO_TCP, number: 10, normal: mostWindow },
  // It shows 536 for "none".
  { name: 'TCP_MAXSEG', of: 'tcp', level: IPPROTO_TCP, number: 2, normal: 0 },
];

/** What is set on a socket, by name. */
export type OptionValues = ReadonlyMap<string, Buffer>;

/** Of one that somebody else has opened: what he wants of it is no worker's fault. */
export function readOptions(descriptor: number): OptionValues {
  const values = optionsOf(descriptor).flatMap(({ name, level, number, bytes }) => {
    const value = rawOption(descriptor, level, number, bytes);
    return value ? [[name, value] as const] : [];
  });
  const further = [...deviceOf(descriptor), ...filterOf(descriptor)];
  return new Map([...values, ...further.map((name) => [name, Buffer.alloc(0)] as const)]);
}

/** The names of those that keep clients out, or make their answers wrong, but for what was so `before`. */
export function optionsInTheWay(descriptor: number, before: OptionValues = new Map()): string[] {
  const names = optionsOf(descriptor).flatMap(({ name, level, number, bytes, keepsOut }) => {
    const value = keepsOut && rawOption(descriptor, level, number, bytes);
    return value && keepsOut(value) && before.get(name)?.equals(value) !== true ? [name] : [];
  });
  const further = [...deviceOf(descriptor), ...filterOf(descriptor)];
  return [...names, ...further.filter((name) => !before.has(name))];
}

/** Sets all of them to what they were `before`; the names of those that were otherwise, and are not any more. */
export function restoreOptions(descriptor: number, before: OptionValues): string[] {
  calm(descriptor);
  const names = optionsOf(descriptor).flatMap(({ name, level, number, bytes, normal }) => {
    const [is, was] = [rawOption(descriptor, level, number, bytes), before.get(name)];
    if (!is || !was || is.equals(was)) return [];
    return setRawOption(descriptor, level, number, normal === undefined ? was : encode(normal)) ? [name] : [];
  });
  const had = [...before.keys()];
  return [...names, ...release(descriptor, had)];
}

/** Sets all of them to what a new socket has; the names of those that were otherwise, and are not any more. */
export function resetOptions(descriptor: number): string[] {
  calm(descriptor);
  const domain = socketOption(descriptor, 'domain');
  if (domain === undefined) return [];
  const fresh = libc.socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fresh < 0) return [];
  try {
    // As every socket that we bind.
    setRawOption(fresh, SOL_SOCKET, SO_REUSEADDR, encode(1));
    const names = optionsOf(descriptor).filter((option) => resetOption(descriptor, fresh, option));
    if (domain === AF_UNIX) return names.map(({ name }) => name);
    unlockBuffers(descriptor, fresh);
    return [...names.map(({ name }) => name), ...release(descriptor)];
  } finally {
    libc.close(fresh);
  }
}

function optionsOf(descriptor: number): readonly ListenerOption[] {
  const domain = socketOption(descriptor, 'domain');
  const families: readonly Family[] =
    domain === AF_UNIX ? ['every'] : domain === AF_INET6 ? ['every', 'tcp', 'six'] : ['every', 'tcp'];
  return options.filter((option) => families.includes(option.of));
}

function resetOption(descriptor: number, fresh: number, option: ListenerOption): boolean {
  const { level, number, bytes, normal } = option;
  const [is, was] = [rawOption(descriptor, level, number, bytes), rawOption(fresh, level, number, bytes)];
  const wanted = normal === undefined ? was : encode(normal);
  // A kernel that does not know it has not changed it.
  if (!is || !was || !wanted || is.equals(was) || is.equals(wanted)) return false;
  return setRawOption(descriptor, level, number, wanted);
}

/** To one interface: without CAP_NET_RAW that cannot be undone. A link-local address has its own. */
function deviceOf(descriptor: number): string[] {
  const device = rawOption(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX)?.readInt32LE() ?? 0;
  return device !== 0 && device !== scopeOf(descriptor) ? [deviceName] : [];
}

function filterOf(descriptor: number): string[] {
  const isTcp = socketOption(descriptor, 'domain') !== AF_UNIX;
  return isTcp && (attachedFilter(descriptor)?.length ?? 0) > 0 ? [filterName] : [];
}

/** What may be possible for some only; the names of what is gone. */
function release(descriptor: number, kept: readonly string[] = []): string[] {
  const before = [...deviceOf(descriptor), ...filterOf(descriptor)].filter((name) => !kept.includes(name));
  if (before.includes(deviceName))
    setRawOption(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, encode(scopeOf(descriptor)));
  if (before.includes(filterName)) setRawOption(descriptor, SOL_SOCKET, SO_DETACH_FILTER, encode(0));
  const left = new Set([...deviceOf(descriptor), ...filterOf(descriptor)]);
  return before.filter((name) => !left.has(name));
}

/** The interface of a link-local address; 0 of any other. */
function scopeOf(descriptor: number): number {
  const address = localAddress(descriptor);
  return address.length >= 28 && address.readUInt16LE(0) === AF_INET6 ? address.readUInt32LE(24) : 0;
}

/** A size that was set stays as it is, however small, for every connection; a new socket's grows. */
function unlockBuffers(descriptor: number, fresh: number): void {
  const locked = rawOption(descriptor, SOL_SOCKET, SO_BUF_LOCK)?.readInt32LE() ?? 0;
  if (locked === 0) return;
  const [SO_SNDBUF, SO_RCVBUF] = [7, 8];
  for (const name of [SO_SNDBUF, SO_RCVBUF]) {
    // The kernel shows twice of what it was told.
    const size = (rawOption(fresh, SOL_SOCKET, name)?.readInt32LE() ?? 0) / 2;
    if (size > 0) setRawOption(descriptor, SOL_SOCKET, name, encode(size));
  }
  setRawOption(descriptor, SOL_SOCKET, SO_BUF_LOCK, encode(0));
}

/** Nobody is sent a signal when somebody connects. */
function calm(descriptor: number): void {
  const flags = libc.fcntl(descriptor, F_GETFL, 'int', 0);
  if (flags < 0 || (flags & O_ASYNC) === 0) return;
  libc.fcntl(descriptor, F_SETFL, 'int', flags & ~O_ASYNC);
  libc.fcntl(descriptor, F_SETOWN, 'int', 0);
  libc.fcntl(descriptor, F_SETSIG, 'int', 0);
}

function encode(number: number): Buffer {
  const value = Buffer.alloc(4);
  value.writeInt32LE(number);
  return value;
}
