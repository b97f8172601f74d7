// Root's way along a path, component by component, by descriptors (openat2(2) with RESOLVE_NO_SYMLINKS is too strict,
// all else follows what others made). Real directories are entered whoever owns them; a link that somebody but root may
// have made, or put there, leads only to what is its owner's.
import { closeSync, constants, openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { SpawnFcgiError } from '../../core/errors.ts';
import { nameOf } from '../process/accounts.ts';
import { AT_FDCWD, fileType, O_CLOEXEC, O_PATH, statAt, statDescriptor, type FileFacts } from './file-at.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { isTrusted } from './trusted-uid.ts';

/** A link that root does not follow; `message` names it, and says whose it is. */
export class UnsafeLinkError extends SpawnFcgiError {
  constructor(message: string) {
    super(message, {
      hints: [
        "root follows a link that another user may have made only into that user's own directories; name the directory itself",
      ],
    });
  }
}

const S_ISVTX = 0o1000;
const linkType = 0o120000;
/** The kernel's own bounds (path_resolution(7)). */
const mostLinks = 40;
const longestTarget = 4096;
const openFlags = O_PATH | O_CLOEXEC | constants.O_NOFOLLOW;

/** A link that somebody else may have made, or put there, and is followed for what is his. */
interface ForeignLink {
  readonly path: string;
  readonly uid: number;
}

/** The directory that the path leads to, as a descriptor (O_PATH); throws Node's error, or UnsafeLinkError. */
export function walkPath(path: string): number {
  if (path === '') throw openError(E.NOENT, path);
  const walk = new Walk(path);
  try {
    return walk.run();
  } catch (error) {
    walk.leave();
    throw error;
  }
}

class Walk {
  readonly #typed: string;
  /** What is left of the path; undefined is the end of a foreign link's target. */
  readonly #todo: (string | undefined)[];
  #at: number;
  #facts: FileFacts;
  /** Where we are, for people. */
  #seen: string;
  #links = 0;
  /** Whose directory we came through, if not only root's. */
  #owner: number | undefined;
  #foreign: ForeignLink | undefined;
  /** How many targets of foreign links we are in. */
  #depth = 0;

  constructor(path: string) {
    this.#typed = path;
    this.#todo = path.split('/');
    this.#seen = path.startsWith('/') ? '/' : '';
    this.#at = openSync(this.#seen || '.', O_PATH | constants.O_DIRECTORY);
    this.#facts = statDescriptor(this.#at);
    this.#owner = isTrusted(this.#facts.uid) ? undefined : this.#facts.uid;
  }

  run(): number {
    while (this.#todo.length > 0) {
      const name = this.#todo.shift();
      if (name === undefined) this.#leaveTarget();
      else if (name !== '' && name !== '.') this.#step(name);
    }
    return this.#at;
  }

  leave(): void {
    closeSync(this.#at);
  }

  #step(name: string): void {
    // As a directory first: that is what mounts one that is mounted on demand.
    const next = attempt(() => libc.openat(this.#at, name, openFlags | constants.O_DIRECTORY, 0));
    if (next >= 0) this.#enter(next, name);
    else if (next === -E.NOTDIR) this.#follow(name);
    else throw this.#failure(-next);
  }

  #enter(directory: number, name: string): void {
    closeSync(this.#at);
    this.#at = directory;
    this.#facts = statDescriptor(directory);
    this.#seen = this.#join(name);
    const { uid } = this.#facts;
    if (this.#foreign) this.#requireWithin(this.#foreign);
    if (!isTrusted(uid)) this.#owner = uid;
  }

  /** Behind a foreign link all is its owner's; on the way to its target there may be what root lets him pass. */
  #requireWithin(link: ForeignLink): void {
    const { uid, mode, gid } = this.#facts;
    if (uid === link.uid) return;
    if (this.#depth === 0 || !isTrusted(uid)) throw refuseTarget(link, uid);
    // Of his groups we know nothing but that root's own is none of them.
    if ((mode & (gid === 0 ? 0o001 : 0o011)) === 0)
      throw new UnsafeLinkError(`'${link.path}' is a link of ${user(link.uid)} to where only root comes`);
  }

  #leaveTarget(): void {
    this.#depth -= 1;
    const link = this.#foreign;
    if (link && this.#facts.uid !== link.uid) throw refuseTarget(link, this.#facts.uid);
  }

  #follow(name: string): void {
    const link = attempt(() => libc.openat(this.#at, name, openFlags, 0));
    if (link < 0) throw this.#failure(-link);
    try {
      const facts = statDescriptor(link);
      if ((facts.mode & fileType.mask) !== linkType) throw this.#failure(E.NOTDIR);
      if (++this.#links > mostLinks) throw this.#failure(E.LOOP);
      const isForeign = this.#judge(this.#join(name), facts);
      // A link of /proc/PID leads to what it names, whatever its text says; to follow it takes root's privilege.
      if (!this.#foreign && isMagic(facts)) this.#enter(this.#openByKernel(name), name);
      else this.#push(readLink(link), isForeign);
    } finally {
      closeSync(link);
    }
  }

  /** Whether the link counts as somebody else's; throws when it must not be followed at all. */
  #judge(path: string, { uid }: FileFacts): boolean {
    const owner = this.#foreign?.uid ?? this.#owner;
    if (isTrusted(uid)) {
      const isOnTheWay = this.#depth > 0 && isTrusted(this.#facts.uid);
      // Root has made it, but somebody else may have put it there.
      if (isTrusted(this.#facts.uid) && isOpenToOthers(this.#facts))
        throw new UnsafeLinkError(`'${path}' is a link in a directory that everybody may write`);
      if (owner === undefined || isOnTheWay) return false;
    } else if (owner !== undefined && owner !== uid) {
      throw new UnsafeLinkError(`'${path}' is a link of ${user(uid)} below a directory of ${user(owner)}`);
    }
    // One of root's that the owner of the directory may have put there leads no further than one of his own.
    this.#foreign ??= { path, uid: owner ?? uid };
    return true;
  }

  #push(target: string, isForeign: boolean): void {
    if (target === '') throw this.#failure(E.NOENT);
    if (isForeign) {
      this.#depth += 1;
      this.#todo.unshift(undefined);
    }
    this.#todo.unshift(...target.split('/'));
    if (!target.startsWith('/')) return;
    this.#seen = '/';
    this.#enter(openSync('/', O_PATH | constants.O_DIRECTORY), '');
  }

  #openByKernel(name: string): number {
    const found = attempt(() => libc.openat(this.#at, name, O_PATH | O_CLOEXEC | constants.O_DIRECTORY, 0));
    if (found < 0) throw this.#failure(-found);
    return found;
  }

  #join(name: string): string {
    return this.#seen === '' || this.#seen.endsWith('/') ? `${this.#seen}${name}` : `${this.#seen}/${name}`;
  }

  #failure(number: number): Error {
    return openError(number, this.#typed);
  }
}

/** As Node's own. */
export function openError(number: number, path: string): Error {
  const code = getSystemErrorName(-number);
  const text = `${code}: ${libc.strerror(number)}, open '${path}'`;
  return Object.assign(new Error(text), { errno: -number, code, syscall: 'open', path });
}

function refuseTarget({ path, uid }: ForeignLink, owner: number): UnsafeLinkError {
  return new UnsafeLinkError(`'${path}' is a link of ${user(uid)} into a directory of ${user(owner)}`);
}

function user(uid: number): string {
  return uid === 0 ? 'root' : `user ${nameOf(uid, 'passwd')}`;
}

/**
 * Without the sticky bit who may write a directory may rename what others have in it. A group that root let in is trusted
 * with that: distributions have /var/log so (root:syslog, 0775), and a link of root's in it to a larger disk is usual.
 */
function isOpenToOthers({ mode }: FileFacts): boolean {
  return (mode & S_ISVTX) === 0 && (mode & 0o002) !== 0;
}

/** Those of /proc/PID have the modes of descriptors; any other link has all bits, or is on another file system. */
function isMagic({ mode, identity }: FileFacts): boolean {
  if ((mode & 0o777) === 0o777) return false;
  const device = (one: string): string => one.slice(0, one.lastIndexOf(':'));
  const proc = statAt(AT_FDCWD, '/proc/.')?.identity;
  return proc !== undefined && device(proc) === device(identity);
}

function readLink(link: number): string {
  const bytes = Buffer.alloc(longestTarget);
  const length = attempt(() => libc.readlinkat(link, '', bytes, bytes.length));
  return bytes.toString('utf8', 0, Math.max(length, 0));
}
