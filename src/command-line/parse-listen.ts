// Where the pool listens, by -a, -p, -s and --listen-fd, and by what the caller has opened for us: 1.6's checks with its
// messages, and which of these exclude each other.
import type { ListenAddress } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { maxSocketPath } from '../core/pool-id.ts';
import { parseWhole } from '../core/quantity.ts';
import { parseNumber } from './parse-number.ts';
import { flagOf, options, type OptionKey, type RawOptions } from './options.ts';

/**
 * What the caller has opened for us: `sockets` those of LISTEN_FDS, which are meant for this command; `spare` one that is
 * taken where no address is named (descriptor 0 as inetd gives it, or one that systemd has kept).
 */
export type Offered = 'nothing' | 'spare' | 'sockets';

/** 1.6 prints what strtol made of it; its wrap-around (75000 is 9464) is an error here. */
export function parsePort(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  const port = parseWhole(text, 0, 65_535);
  if (port !== undefined) return port;
  const number = /^\s*[+-]?\d+/.exec(text)?.[0];
  const isWhole = number === text;
  throw new SpawnFcgiError(`invalid port: ${isWhole ? text : Number(number ?? 0) & 0xffff}`, {
    hints: [`-p takes a number from 1 to 65535, not '${text}'`],
  });
}

export function parseListen(raw: RawOptions, port: number, offered: Offered): ListenAddress {
  const isNamed = raw.socket !== undefined || port !== 0;
  const isGiven = raw.listenFd !== undefined || offered === 'sockets' || (offered === 'spare' && !isNamed);
  if (isGiven) return parseGiven(raw);
  if (raw.socket === undefined) {
    if (port === 0) throw new SpawnFcgiError('no socket given (use either -p or -s)');
    return { kind: 'tcp', host: raw.address, port };
  }
  if (port !== 0) throw new SpawnFcgiError('either a Unix domain socket or a TCP-port, but not both');
  if (Buffer.byteLength(raw.socket) > maxSocketPath) {
    throw new SpawnFcgiError('path of the Unix domain socket is too long', {
      hints: [
        `it has ${Buffer.byteLength(raw.socket)} bytes, the kernel allows ${maxSocketPath}; a relative path counts as written`,
      ],
    });
  }
  return { kind: 'unix', path: raw.socket };
}

/** What only a socket of our own can have. */
const ofOwnSocket: ReadonlySet<string> = new Set<OptionKey>([
  'address',
  'port',
  'socket',
  'socketMode',
  'socketUser',
  'socketGroup',
  'socketBeforeChroot',
]);

function parseGiven(raw: RawOptions): ListenAddress {
  const { listenFd } = raw;
  const own = options.filter(({ key }) => ofOwnSocket.has(key) && raw[key as OptionKey] !== undefined);
  if (own.length === 0) return { kind: 'given', name: listenFd, backlog: parseBacklog(raw.backlog) };
  const flags = own.map(flagOf).join(', ');
  const given = listenFd === undefined ? 'a socket that was given (LISTEN_FDS)' : '--listen-fd';
  const instead =
    listenFd === undefined
      ? 'or let nobody else open it (systemd: systemctl disable --now NAME.socket)'
      : 'or --listen-fd';
  throw new SpawnFcgiError(
    `${flags} and ${given} exclude each other: that socket has its address, its mode and its owner already`,
    { hints: [`leave out ${flags}, ${instead}`] },
  );
}

export function parseBacklog(text: string | undefined): number | undefined {
  return parseNumber('-b', text, -1, 2 ** 31 - 1);
}
