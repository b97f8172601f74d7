// The sockets that the caller has opened for us, as systemd (sd_listen_fds(3)), inetd and supervisord do: which there are.
// Behind a front they come in other numbers, and it says which (docs/internals/architecture.md, "The front").
import { F_DUPFD, F_GETFD } from '../libc/fcntl-numbers.ts';
import { attempt, libc } from '../libc/libc.ts';
import { fileType, statDescriptor } from '../path/file-at.ts';
import { firstInherited, type Caller } from '../process/caller.ts';
import { socketOption } from '../socket-state/socket-facts.ts';
import { SpawnFcgiError } from '../../core/errors.ts';

export interface OfferedSocket {
  readonly descriptor: number;
  /** By which the caller knows it. */
  readonly number: number;
  /** Of LISTEN_FDNAMES; undefined: it has none. */
  readonly name: string | undefined;
}

export interface Offer {
  /** Those of LISTEN_FDS, if that is meant for this command; empty without one. */
  readonly activated: readonly OfferedSocket[];
  /** What came with them and is no socket (`OpenFile=`). */
  readonly files: readonly OfferedSocket[];
  /** Others: descriptor 0, if it is a listening socket; behind a front also the one that --listen-fd names. */
  readonly others: readonly OfferedSocket[];
}

/** SD_LISTEN_FDS_START. */
const firstActivated = 3;
const passedOn = 'SPAWN_FCGI_GIVEN';
const noOffer: Offer = { activated: [], files: [], others: [] };

/** Throws where LISTEN_FDS is meant for us, and is not what it says. */
export function readOffer(front: number | undefined): Offer {
  if (front === undefined) return { ...readActivated(), others: readStdin() };
  // Only we can have written it: the front has removed whatever was there before.
  const passed = process.env[passedOn];
  return passed === undefined ? noOffer : (JSON.parse(passed) as Offer);
}

const activationVariable = /^LISTEN_(?:FDS|PID|PIDFDID|FDNAMES)=/;

/** Workers do not get variables that were meant for us; those for another process are not ours to remove. */
export function withoutActivation(caller: Caller, { activated, files }: Offer): Caller {
  if (activated.length + files.length === 0) return caller;
  const isMeantForUs = (entry: Buffer): boolean => activationVariable.test(entry.toString('latin1'));
  return { ...caller, environment: caller.environment.filter((entry) => !isMeantForUs(entry)) };
}

function readActivated(): Omit<Offer, 'others'> {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = process.env;
  if (count === undefined || Number(pid) !== process.pid) return noOffer;
  if (!/^\d{1,9}$/.test(count)) throw refuse(count, 'is no number of descriptors');
  const all = names?.split(':') ?? [];
  // Names of another number of sockets are nobody's.
  const nameOf = (index: number): string | undefined =>
    all.length === Number(count) ? all[index] || undefined : undefined;
  const found = Array.from(givenOnes(Number(count)), ({ descriptor, isSocket }, index) => ({
    isSocket,
    offered: { descriptor, number: descriptor, name: nameOf(index) },
  }));
  const pick = (isWanted: boolean): OfferedSocket[] =>
    found.flatMap(({ isSocket, offered }) => (isSocket === isWanted ? [offered] : []));
  return { activated: pick(true), files: pick(false) };
}

/**
 * Whoever claims more than there are is found out at the first that is not there: behind them come descriptors of Node's
 * own, which are pipes and files without a type, and which nobody may close.
 */
function* givenOnes(count: number): Generator<{ descriptor: number; isSocket: boolean }> {
  for (let descriptor = firstActivated; descriptor < firstActivated + count; descriptor++) {
    const type = isOpen(descriptor) ? statDescriptor(descriptor).mode & fileType.mask : 0;
    if (type === 0 || type === fileType.pipe)
      throw refuse(String(count), `says so many sockets, but descriptor ${descriptor} is none`);
    yield { descriptor, isSocket: type === fileType.socket };
  }
}

function refuse(count: string, problem: string): SpawnFcgiError {
  return new SpawnFcgiError(`LISTEN_FDS='${count}' ${problem}`, {
    hints: ['it is set by who opens sockets for us (systemd); without them: unset LISTEN_FDS LISTEN_PID'],
  });
}

function readStdin(): OfferedSocket[] {
  return socketOption(0, 'isListening') === 1 ? [{ descriptor: 0, number: 0, name: undefined }] : [];
}

export function isOpen(descriptor: number): boolean {
  return attempt(() => libc.fcntl(descriptor, F_GETFD, 'int', 0)) >= 0;
}

/** An entry of the environment, and the descriptors that it names. */
export interface PassedOn {
  readonly entry: Buffer;
  readonly descriptors: readonly number[];
}

/**
 * For a front that will be executed in our place: all of them under numbers that it leaves alone, with `asked`, the one
 * that --listen-fd names. The descriptors have to be kept over the exec.
 */
export function passOn(offer: Offer, asked: number | undefined): PassedOn {
  const { activated, files, others } = offer;
  const isKnown = [...activated, ...others].some(({ number }) => number === asked);
  const isAdded = asked !== undefined && !isKnown && isOpen(asked);
  const added = isAdded ? [{ descriptor: asked, number: asked, name: undefined }] : [];
  const move = (one: OfferedSocket): OfferedSocket => ({ ...one, descriptor: copyAbove(one.descriptor) });
  const moved = {
    activated: activated.map(move),
    files: files.map(move),
    others: [...others, ...added].map(move),
  };
  return {
    entry: Buffer.from(`${passedOn}=${JSON.stringify(moved)}`),
    descriptors: [...moved.activated, ...moved.files, ...moved.others].map(({ descriptor }) => descriptor),
  };
}

function copyAbove(descriptor: number): number {
  const copy = attempt(() => libc.fcntl(descriptor, F_DUPFD, 'int', firstInherited));
  if (copy < 0) throw new SpawnFcgiError(`cannot pass descriptor ${descriptor} on: ${libc.strerror(-copy)}`);
  return copy;
}
