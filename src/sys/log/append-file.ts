// A file that lines are appended to, by us or by workers: opened before chroot and the drop of privileges, by its
// descriptor from then on, and opened anew in the same directory. The descriptor keeps its number all the time.
import { constants, fchownSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';
import {
  fileType,
  lookTwice,
  O_CLOEXEC,
  removeIfSame,
  statDescriptor,
  type NameAt,
} from '../path/file-at.ts';
import { describeOpenFailure, openParent } from '../path/open-parent.ts';
import { F_SETFL } from '../libc/fcntl-numbers.ts';
import type { CreatedFile } from '../file/held-file.ts';
import type { Identity } from '../process/identity.ts';
import { attempt, check, E, libc } from '../libc/libc.ts';
import { describeLease, openPastLease } from '../path/past-lease.ts';
import { holdFile, letGoOf, openHolding, removeUnheld } from '../file/shared-file.ts';

export type Owner = Pick<Identity, 'uid' | 'gid'>;

/** What is thrown where the file cannot be had. */
export type Refuse = (path: string, reason: string, hints: readonly string[]) => Error;

/** Hears of a file that was not there before, and how it is taken back; false: we may not. */
export type OnCreated = (file: CreatedFile, undo: () => boolean) => void;

export interface AppendFileOptions {
  readonly at: NameAt;
  /** Whom a file that we make is given to. */
  readonly owner: Owner;
  /** Whether who writes waits for the reader of a named pipe, as programs expect; else a full one takes nothing. */
  readonly waits: boolean;
  readonly refuse: Refuse;
  readonly onCreated: OnCreated;
  /** Hears of one that was there, and how a start that fails lets go of it: the same start may have made it, for its events. */
  readonly onFound?: ((letGo: () => void) => void) | undefined;
}

interface OpenedFile {
  readonly descriptor: number;
  readonly identity: string;
  readonly isNew: boolean;
}

export const noOwner: Owner = { uid: 0, gid: 0 };
const appendFlags =
  constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NOCTTY | O_CLOEXEC;

export class AppendFile {
  /** Close-on-exec, for writing only. */
  readonly descriptor: number;
  readonly #options: AppendFileOptions;
  #identity: string;

  /** Opens or makes it (0640 & ~umask); throws what `refuse` makes of the reason. */
  constructor(options: AppendFileOptions) {
    const { descriptor, identity, isNew } = openShared(options);
    this.#options = options;
    this.#identity = identity;
    this.descriptor = descriptor;
    if (isNew) options.onCreated({ at: options.at, identity }, () => this.#removeEmpty());
    else options.onFound?.(() => letGoOf(descriptor));
  }

  /** Whoever gets the descriptor from now on has the file that has the name now; throws, and keeps the old one. */
  reopen(): void {
    const next = openShared({ ...this.#options, owner: noOwner });
    try {
      check('dup3', () => libc.dup3(next.descriptor, this.descriptor, O_CLOEXEC));
      this.#identity = next.identity;
    } finally {
      libc.close(next.descriptor);
    }
  }

  /** As written. */
  get path(): string {
    return this.#options.at.path;
  }

  /** Where its next byte goes. */
  get size(): bigint {
    return statDescriptor(this.descriptor).size;
  }

  /** A descriptor to read the same file by; undefined: it is none to be read, has another name by now, or we may not. */
  openForReading(): number | undefined {
    // What is read of a pipe or a terminal is taken away from others.
    if ((statDescriptor(this.descriptor).mode & fileType.mask) !== fileType.regular) return undefined;
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_CLOEXEC;
    const { at } = this.#options;
    const descriptor = attempt(() => libc.openat(at.directory, at.name, flags, 0));
    if (descriptor < 0) return undefined;
    if (statDescriptor(descriptor).identity === this.#identity) return descriptor;
    libc.close(descriptor);
    return undefined;
  }

  /** What says why a start failed stays. False: we may not remove it. */
  #removeEmpty(): boolean {
    return lookTwice(() => this.size) > 0n || removeUnheld(this.#options.at, this.#identity, this.descriptor);
  }
}

/** The directory of the path, held open, with the name in it. */
export function openPlace(path: string, refuse: Refuse): NameAt {
  try {
    return openParent(path);
  } catch (error) {
    const { reason, hints } = describeOpenFailure(error);
    throw refuse(path, reason, hints);
  }
}

/** Another start may have made it a moment ago, and remove it when it fails. */
function openShared(options: AppendFileOptions): OpenedFile {
  return openHolding(
    () => openFile(options),
    ({ descriptor, identity }) => holdFile(options.at, identity, descriptor),
    ({ descriptor }) => libc.close(descriptor),
  );
}

/**
 * O_NOFOLLOW|O_APPEND|O_CREAT 0640. Only a file that we created is given to the -u
 * user; one with other names (hard links) could be anybody's and is refused.
 */
function openFile({ at, owner, waits, refuse }: AppendFileOptions): OpenedFile {
  const create = appendFlags | constants.O_CREAT | constants.O_EXCL;
  const created = attempt(() => libc.openat(at.directory, at.name, create, 0o640));
  if (created >= 0) {
    if (owner.uid !== 0) giveTo(owner, created, at, refuse);
    const { identity } = lookTwice(() => statDescriptor(created));
    return { descriptor: created, identity, isNew: true };
  }
  const flags = appendFlags | constants.O_NONBLOCK;
  const opened = openPastLease(() => attempt(() => libc.openat(at.directory, at.name, flags, 0)));
  // Not there, and not to be created: why not is what matters.
  const failure = opened === -E.NOENT ? created : opened;
  if (opened < 0)
    throw refuse(
      at.path,
      failure === -E.LOOP ? 'it is a symbolic link' : libc.strerror(-failure),
      failure === -E.AGAIN ? [describeLease(at.path)] : [],
    );
  const { identity, links } = statDescriptor(opened);
  if (links > 1) {
    libc.close(opened);
    throw refuse(at.path, 'it has other names (hard links)', []);
  }
  if (waits) libc.fcntl(opened, F_SETFL, 'int', constants.O_APPEND);
  return { descriptor: opened, identity, isNew: false };
}

/** Who may not be given it could not write it after a reopen. */
function giveTo({ uid, gid }: Owner, descriptor: number, at: NameAt, refuse: Refuse): void {
  try {
    fchownSync(descriptor, uid, gid === 0 ? -1 : gid);
  } catch (error) {
    const { identity } = statDescriptor(descriptor);
    libc.close(descriptor);
    removeIfSame(at, identity);
    throw refuse(at.path, `it cannot be given to uid ${uid}: ${libc.strerror(errnoOf(error))}`, [
      `a new file is given to the user of -u, which takes the capability CAP_CHOWN; or create the file first, as one that uid ${uid} may write`,
    ]);
  }
}
