// Makes the listening socket as 1.6's bind_socket does, without its holes: what
// is at the path is looked at first, its mode is right from birth, and owner and
// mode are set through a descriptor of the very file that was bound.
import { SpawnFcgiError } from '../../core/errors.ts';
import { removeIfSame, statIfThere, withUmask, type NameAt } from '../path/file-at.ts';
import { E, libc } from '../libc/libc.ts';
import { AF_UNIX } from '../libc/socket-numbers.ts';
import type { OptionValues } from '../socket-state/listener-options.ts';
import type { SocketAddress } from './socket-address.ts';
import { inodeOf, removeStray, type SocketFile } from './socket-file.ts';
import { directoryOf, isOpenToEverybody, openSocketDirectory, removeStale } from './socket-place.ts';
import { bindTo, startListening, withSocket } from './stream-socket.ts';
import { isFreshSocket, refuseReplaced, takeSocketFile, type SocketOwner } from './take-socket-file.ts';
import { unixAddress } from '../connection/unix-socket.ts';

export interface ListenSocket {
  readonly descriptor: number;
  /** The socket's inode number, as in `socket:[N]` of /proc/PID/fd. It and the file change when the socket is renewed. */
  readonly inode: string;
  readonly file: SocketFile | undefined;
  /** Of the socket that was there before, and that workers may have still. */
  readonly formerInode?: string | undefined;
  /** Somebody else has opened it and goes on with it: never bound anew, closed to anybody, or removed. Undefined: ours. */
  readonly given?: Given | undefined;
}

/** What is known of a socket that was given. */
export interface Given {
  /** What it was called by who gave it, for people. */
  readonly label: string;
  /** What it was told by listen(2), at most net.core.somaxconn. */
  readonly backlog: number;
  /** What was set on it then. */
  readonly options: OptionValues;
}

/** Hears of the file before it can be there and right after, so that a KILL in between leaves none. */
export interface BindWitness {
  /** Nothing is at the path, and a socket of ours will be. */
  binding(): void;
  /** Undefined: it could not be bound, and what is at the path is somebody else's. */
  bound(file: SocketFile | undefined): void;
  /** We are root, and everybody may replace files in this directory. */
  exposed(directory: string): void;
}

const nobody: BindWitness = { binding: () => undefined, bound: () => undefined, exposed: () => undefined };

/** Binds and listens; throws 1.6's refusal. A failure leaves no socket file of ours, and no descriptor. */
export function listenOn(
  address: SocketAddress,
  backlog: number,
  owner: SocketOwner,
  witness = nobody,
): ListenSocket {
  if (address.kind === 'tcp') return listenTcp(address.bytes, backlog);
  if (address.kind === 'unix') return listenUnix(address.path, backlog, owner, witness);
  throw new SpawnFcgiError(`an abstract socket can only be given: @${address.name}`);
}

function listenTcp(bytes: Buffer, backlog: number): ListenSocket {
  return withSocket(bytes.readUInt16LE(0), (descriptor) => {
    bindTo(descriptor, bytes);
    startListening(descriptor, backlog);
    return { descriptor, inode: inodeOf(descriptor), file: undefined };
  });
}

function listenUnix(path: string, backlog: number, owner: SocketOwner, witness: BindWitness): ListenSocket {
  // 1.6 gets an abstract name from the kernel and fails at the chmod.
  if (path === '') throw new SpawnFcgiError(`couldn't chmod socket: ${libc.strerror(E.NOENT)}`);
  const at = openSocketDirectory(path);
  try {
    const isExposed = isOpenToEverybody(at, owner.trustedUids);
    if (isExposed) witness.exposed(directoryOf(path));
    removeStale(path, at);
    return withSocket(AF_UNIX, (descriptor) => {
      let file: SocketFile | undefined;
      try {
        file = bindFile(at, descriptor, owner, witness);
        takeSocketFile(file, descriptor, owner, isExposed);
        startListening(descriptor, backlog);
        return { descriptor, inode: inodeOf(descriptor), file };
      } catch (error) {
        if (file) removeIfSame(at, file.identity);
        removeStray(descriptor, at, owner.proc);
        throw error;
      }
    });
  } catch (error) {
    libc.close(at.directory);
    throw error;
  }
}

/** Binds at the path; the file that is there then counts as ours only if it can be. */
function bindFile(at: NameAt, descriptor: number, owner: SocketOwner, witness: BindWitness): SocketFile {
  witness.binding();
  try {
    withUmask(~owner.mode & 0o777, () => bindTo(descriptor, unixAddress(at.path)));
  } catch (error) {
    witness.bound(undefined);
    throw error;
  }
  // What may not be looked at stays to be told of.
  const facts = statIfThere(at);
  if (!facts || !isFreshSocket(facts)) {
    witness.bound(undefined);
    throw refuseReplaced(at);
  }
  const file = { at, identity: facts.identity };
  witness.bound(file);
  return file;
}
