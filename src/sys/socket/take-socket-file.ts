// Gives the file of a socket just bound its mode and owner, through a descriptor of that very file.
import { constants } from 'node:fs';
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  fileType,
  O_CLOEXEC,
  O_PATH,
  statDescriptor,
  type FileFacts,
  type NameAt,
} from '../path/file-at.ts';
import type { Identity } from '../process/identity.ts';
import { inodeOf, matchBoundFile, openBoundFile, type Adjustment, type SocketFile } from './socket-file.ts';
import { directoryOf } from './socket-place.ts';
import { refuse } from './stream-socket.ts';

/** Who and what a Unix socket's file is for. */
export interface SocketOwner extends Adjustment {
  /** Owners of a directory in which others may replace files: root need not be told of it. */
  readonly trustedUids: readonly number[];
  /** A descriptor of /proc, to change a mode through /proc/self/fd after chroot. */
  readonly proc: number | undefined;
}

/** 1.6's rule for who owns the socket: -U/-G, else -u/-g; 0 leaves it. */
export function socketOwner(
  config: Pick<Config, 'socketMode'>,
  worker: Identity,
  socket: Identity,
  proc: number | undefined,
): SocketOwner {
  return {
    uid: socket.uid || worker.uid,
    gid: socket.gid || worker.gid,
    mode: config.socketMode ?? 0o660 & ~currentUmask(),
    trustedUids: [worker.uid, socket.uid].filter((uid) => uid !== 0),
    proc,
  };
}

function currentUmask(): number {
  return process.umask();
}

/** Whether a file can be the one that we bound a moment ago. */
export function isFreshSocket({ mode, uid, links }: FileFacts): boolean {
  return (mode & fileType.mask) === fileType.socket && uid === process.geteuid?.() && links === 1;
}

export function refuseReplaced(at: NameAt): SpawnFcgiError {
  return new SpawnFcgiError(`'${at.path}' was replaced by somebody else while it was bound`);
}

/**
 * Holds the file just bound by O_PATH|O_NOFOLLOW, checks that it is that socket, and sets mode and owner through the
 * descriptor. Where others may put something else in its place, another socket of root's too, and the kernel does not
 * tell which file is ours, nothing is changed.
 */
export function takeSocketFile(
  { at, identity }: SocketFile,
  descriptor: number,
  owner: SocketOwner,
  isExposed: boolean,
): void {
  const byKernel = openBoundFile(descriptor);
  const file = byKernel ?? openByName(at);
  try {
    const facts = statDescriptor(file);
    const match = byKernel === undefined ? matchBoundFile(inodeOf(descriptor), facts.identity) : 'same';
    if (!isFreshSocket(facts) || facts.identity !== identity || match === 'other') throw refuseReplaced(at);
    // Needed only for bits above 0777 and where a default ACL overrules the umask.
    const changesMode = (facts.mode & 0o7777) !== owner.mode;
    const changesOwner = owner.uid !== 0 || owner.gid !== 0;
    if (isExposed && match === 'unknown' && (changesMode || changesOwner)) throw refuseUnproven(at);
    if (changesMode) setMode(file, owner);
    if (changesOwner) setOwner(file, owner);
  } finally {
    libc.close(file);
  }
}

function openByName(at: NameAt): number {
  const file = attempt(() =>
    libc.openat(at.directory, at.name, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW, 0),
  );
  if (file === -E.NOENT) throw refuseReplaced(at);
  if (file < 0) throw refuse('openat', file);
  return file;
}

function refuseUnproven(at: NameAt): SpawnFcgiError {
  const directory = directoryOf(at.path);
  return new SpawnFcgiError(
    `refusing to change owner or mode in '${directory}': everybody may replace files there, and this system does not tell which is ours`,
    { hints: [`set the sticky bit: chmod +t ${directory}`] },
  );
}

function setMode(file: number, owner: SocketOwner): void {
  const path = owner.proc === undefined ? `/proc/self/fd/${file}` : `${process.pid}/fd/${file}`;
  const result = attempt(() => libc.fchmodat(owner.proc ?? AT_FDCWD, path, owner.mode, 0));
  if (result < 0) throw new SpawnFcgiError(`couldn't chmod socket: ${libc.strerror(-result)}`);
}

function setOwner(file: number, owner: SocketOwner): void {
  if (process.getuid?.() !== 0) return;
  const keep = 0xffffffff;
  const result = attempt(() => libc.fchownat(file, '', owner.uid || keep, owner.gid || keep, AT_EMPTY_PATH));
  if (result >= 0) return;
  const hint =
    'to give a socket away (-u, -g, -U, -G) takes the capability CAP_CHOWN (docker run --cap-add CHOWN); or start as that user (docker run --user)';
  throw new SpawnFcgiError(`couldn't chown socket: ${libc.strerror(-result)}`, {
    hints: result === -E.PERM ? [hint] : [],
  });
}
