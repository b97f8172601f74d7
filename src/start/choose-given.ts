// Which of the sockets that the caller has opened is the pool's, and that it is taken as ours: before anything of our own
// is opened. What is not taken is closed.
import type { ListenAddress } from '../core/config.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import { formatAddress } from '../core/pool-id.ts';
import { printable } from '../core/text/printable.ts';
import type { Offered } from '../command-line/parse-listen.ts';
import { judgeGiven } from '../sys/socket/given-socket.ts';
import type { Offer, OfferedSocket } from '../sys/socket/offered-sockets.ts';
import type { SocketAddress } from '../sys/socket/socket-address.ts';

/** The name under which systemd keeps a socket that was ours: sd_pid_notify_with_fds(3), FDNAME. */
const keptName = 'spawn-fcgi';

/** A socket of somebody else that the pool is to work on. */
export interface GivenSocket {
  readonly descriptor: number;
  readonly address: SocketAddress;
  /** For people. */
  readonly label: string;
}

export interface Choice {
  /** Undefined: we bind one ourselves. */
  readonly chosen: OfferedSocket | undefined;
  /** Sockets that were ours, and that systemd has kept for us. */
  readonly kept: readonly OfferedSocket[];
  readonly surplus: readonly OfferedSocket[];
}

export function offeredBy(offer: Offer): Offered {
  if (offer.activated.some((one) => !isKept(one))) return 'sockets';
  return offer.activated.length + offer.others.length > 0 ? 'spare' : 'nothing';
}

function isKept({ name }: OfferedSocket): boolean {
  return name === keptName;
}

/** The descriptor that --listen-fd names by its number. */
export function numberOf(listen: ListenAddress): number | undefined {
  return listen.kind === 'given' && listen.name !== undefined ? numberFrom(listen.name) : undefined;
}

function numberFrom(name: string): number | undefined {
  return /^\d{1,9}$/.test(name) ? Number(name) : undefined;
}

/** All that are there for us, whatever becomes of them. */
export function descriptorsOf({ chosen, kept, surplus }: Choice): number[] {
  return [...(chosen ? [chosen] : []), ...kept, ...surplus].map(({ descriptor }) => descriptor);
}

/** Throws where it is not clear which is meant, or there is none of that name. */
export function chooseGiven(listen: ListenAddress, offer: Offer): Choice {
  const { activated, files } = offer;
  if (listen.kind !== 'given') return { chosen: undefined, kept: activated, surplus: files };
  const chosen = listen.name === undefined ? theOnly(offer) : theNamed(listen.name, offer);
  return { chosen, kept: [], surplus: [...activated, ...files].filter((one) => one !== chosen) };
}

function theOnly({ activated, others }: Offer): OfferedSocket {
  const own = activated.filter((one) => !isKept(one));
  const candidates = [own, activated].find(({ length }) => length > 0) ?? others;
  const [first, ...more] = candidates;
  // parseListen has seen that there is one.
  if (!first) throw new SpawnFcgiError('no socket given (use either -p or -s)');
  if (more.length === 0) return first;
  throw refuseSeveral(
    `LISTEN_FDS has ${candidates.length} sockets, and nothing says which to use`,
    candidates,
  );
}

function theNamed(name: string, { activated, others }: Offer): OfferedSocket {
  const number = numberFrom(name);
  if (number !== undefined) {
    const known = [...activated, ...others].find((one) => one.number === number);
    return known ?? { descriptor: number, number, name: undefined };
  }
  const [first, ...more] = activated.filter((one) => one.name === name);
  if (!first) throw refuseUnknown(name, activated);
  if (more.length === 0) return first;
  throw refuseSeveral(`--listen-fd '${printable(name)}': several sockets have this name`, [first, ...more]);
}

function refuseSeveral(problem: string, candidates: readonly OfferedSocket[]): SpawnFcgiError {
  const choices = candidates.map((one) => choiceOf(one, candidates));
  return new SpawnFcgiError(`${problem}: ${candidates.map(describeOffered).join(', ')}`, {
    hints: [`choose one: ${choices.join(', or ')}`],
  });
}

/** Systemd gives all sockets of one unit the same name. */
function choiceOf({ name, number }: OfferedSocket, all: readonly OfferedSocket[]): string {
  const isPlain = name !== undefined && /^[\w.@:-]*[A-Za-z_.@:-][\w.@:-]*$/.test(name);
  const isUnique = all.filter((one) => one.name === name).length === 1;
  return `--listen-fd ${isPlain && isUnique ? name : number}`;
}

function refuseUnknown(name: string, activated: readonly OfferedSocket[]): SpawnFcgiError {
  const line = `--listen-fd '${printable(name)}': no socket of this name was given`;
  const hint =
    activated.length > 0
      ? `there are: ${activated.map(describeOffered).join(', ')}`
      : 'names are those of LISTEN_FDNAMES, which is looked at if LISTEN_PID is this command; --listen-fd also takes the number of a descriptor';
  return new SpawnFcgiError(line, { hints: [hint] });
}

export function describeOffered(offered: OfferedSocket): string {
  const { name, number, descriptor } = offered;
  const judged = judgeGiven(descriptor);
  const where = 'problem' in judged ? judged.problem : printable(formatAddress(judged));
  return `${name === undefined ? '' : `${printable(name)} `}(descriptor ${number}, ${where})`;
}

/** Throws where a pool cannot work on it. */
export function requireFit(offered: OfferedSocket): GivenSocket {
  const judged = judgeGiven(offered.descriptor);
  if (!('problem' in judged))
    return { descriptor: offered.descriptor, address: judged, label: labelOf(offered) };
  throw new SpawnFcgiError(`the socket that was given, ${labelOf(offered)}, ${judged.problem}`, {
    hints: judged.hints,
  });
}

function labelOf({ name, number }: OfferedSocket): string {
  return name === undefined ? `descriptor ${number}` : `'${printable(name)}' (descriptor ${number})`;
}
