// A log opened for reading: the very file that is meant, wherever its name leads. What root reads another user could have
// put there, so for root the way to it is that of a start, and the file must belong to whom the pool's log may.
import { closeSync, constants, fstatSync, openSync, statSync, type Stats } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { identityOf } from '../../sys/file/pool-directory.ts';
import { ctlStatus } from '../statuses.ts';
import { refusePermission } from '../target/refuse-target.ts';
import { describeUser } from '../target/pools.ts';

export interface OpenLog {
  readonly descriptor: number;
  readonly identity: string;
}

const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

export class LogFile {
  readonly path: string;
  readonly #owners: readonly number[] | undefined;
  readonly #root: string;

  /** `owners`: whose it may be; undefined: anybody's. `root`: a /proc/PID/root, for a path as that process sees it. */
  constructor(path: string, owners: readonly number[] | undefined, root = '') {
    this.path = root + path;
    this.#owners = owners;
    this.#root = root;
  }

  /** Undefined: it is not there. Throws when it may not be read. */
  async open(): Promise<OpenLog | undefined> {
    let descriptor: number;
    try {
      descriptor = await openFile(this.#root, this.path.slice(this.#root.length));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw refuse(this.path, code, message);
    }
    const facts = fstatSync(descriptor);
    const problem = this.#judge(facts);
    if (problem === undefined) return { descriptor, identity: identityOf(facts) };
    closeSync(descriptor);
    throw problem;
  }

  /** What its name leads to now. */
  identity(): string | undefined {
    try {
      return identityOf(statSync(this.path));
    } catch {
      return undefined;
    }
  }

  #judge(facts: Stats): SpawnFcgiError | undefined {
    const { path } = this;
    if (!facts.isFile())
      return new SpawnFcgiError(`${printable(path)} is no regular file: its lines are with who reads it`, {
        exitCode: ctlStatus.notServing,
      });
    if (!this.#owners) return undefined;
    // As a start refuses it: with another name it could be anybody's.
    if (facts.nlink > 1) return refusePermission(`${printable(path)} has other names (hard links)`);
    if (this.#owners.includes(facts.uid)) return undefined;
    const whose = this.#owners.map(describeUser).join(' or ');
    return refusePermission(
      `${printable(path)} belongs to ${describeUser(facts.uid)}, and not to ${whose}: read it yourself if it is the pool's log`,
    );
  }
}

/** Root's way needs libc, which is loaded only for it. */
async function openFile(root: string, path: string): Promise<number> {
  if (process.getuid?.() !== 0) return openSync(path, flags);
  const { openAt, openParent } = await import('../../sys/path/open-parent.ts');
  // That link leads where only the kernel knows, and the way goes on from a descriptor of it.
  const base = root === '' ? undefined : openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const at = openParent(base === undefined ? path : `/proc/self/fd/${base}${path}`);
    try {
      return openAt(at, flags);
    } finally {
      closeSync(at.directory);
    }
  } finally {
    if (base !== undefined) closeSync(base);
  }
}

function refuse(path: string, code: string | undefined, message: string): SpawnFcgiError {
  if (code === 'EACCES') return refusePermission(`${printable(path)} cannot be read`);
  if (code === 'ELOOP') return refusePermission(`${printable(path)} is a symbolic link`);
  return refusePermission(`${printable(path)} cannot be read: ${printable(message)}`);
}
