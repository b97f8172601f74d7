// The connection to syslogd. syslog(3) waits as long as a daemon that does not read;
// this never does. Opened before chroot and the drop of privileges, and made anew when
// the daemon was restarted, also from inside a chroot.
import { closeSync, constants, openSync, realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { AT_FDCWD, O_PATH, statAt, statDescriptor, type NameAt } from '../path/file-at.ts';
import { openParent } from '../path/open-parent.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../libc/socket-numbers.ts';
import { unixAddress } from '../connection/unix-socket.ts';

const facilityDaemon = 3 << 3;

interface Connection {
  readonly descriptor: number;
  readonly type: typeof SOCK_STREAM | typeof SOCK_DGRAM;
}

export class Syslog {
  readonly #tag: string;
  /** The daemon's socket by its directory; undefined where there is no such directory. */
  readonly #at: NameAt | undefined;
  #connection: Connection | undefined;
  /** What a stream has not taken yet of a line that it began to take. */
  #rest = Buffer.alloc(0);

  constructor(tag: string, path = '/dev/log') {
    this.#tag = tag;
    this.#at = openSocketParent(path);
    this.#connection = this.#connect();
  }

  /** Hands the line over; false when the daemon is not there, or takes nothing now. */
  write(level: number, text: string): boolean {
    const line = formatLine(facilityDaemon | level, this.#tag, text);
    this.#connection ??= this.#connect();
    if (!this.#connection) return false;
    if (this.#send(line)) return true;
    // A daemon that was restarted has another socket under the same name.
    if (this.#connection !== undefined) return false;
    this.#connection = this.#connect();
    return this.#connection !== undefined && this.#send(line);
  }

  /** Forgets the connection when the daemon is gone. */
  #send(line: string): boolean {
    const connection = this.#connection;
    if (!connection) return false;
    // As glibc: a stream's lines end in NUL.
    const bytes = Buffer.from(connection.type === SOCK_STREAM ? `${line}\0` : line);
    const all = Buffer.concat([this.#rest, bytes]);
    const sent = attempt(() =>
      libc.send(connection.descriptor, all, all.length, MSG_DONTWAIT | MSG_NOSIGNAL),
    );
    if (sent < 0 && sent !== -E.AGAIN && sent !== -E.NOBUFS && sent !== -E.MSGSIZE) this.#disconnect();
    if (sent <= 0) return false;
    const untaken = all.subarray(sent);
    // A line that was not even begun is lost as a whole.
    const isLost = untaken.length >= bytes.length;
    this.#rest = Buffer.from(isLost ? untaken.subarray(0, untaken.length - bytes.length) : untaken);
    return !isLost;
  }

  #disconnect(): void {
    if (this.#connection) closeSync(this.#connection.descriptor);
    this.#connection = undefined;
    this.#rest = Buffer.alloc(0);
  }

  #connect(): Connection | undefined {
    const at = this.#at;
    if (!at) return undefined;
    return insideDirectory(at, (path) => connectAs(SOCK_DGRAM, path) ?? connectAs(SOCK_STREAM, path));
  }
}

/** /dev/log may be a link, which leads nowhere from inside a chroot. */
function openSocketParent(path: string): NameAt | undefined {
  try {
    return openParent(realpathSync(path));
  } catch {
    // Not there yet.
  }
  try {
    return openParent(path);
  } catch {
    return undefined;
  }
}

/** There is no connectat(2): by the whole path where that still leads there, else from within the directory. */
function insideDirectory<T>(at: NameAt, connect: (path: string) => T | undefined): T | undefined {
  const directory = statAt(AT_FDCWD, dirname(at.path));
  if (directory?.identity === statDescriptor(at.directory).identity) return connect(at.path);
  const before = openWorkingDirectory();
  if (before === undefined) return undefined;
  try {
    return libc.fchdir(at.directory) === 0 ? connect(basename(at.path)) : undefined;
  } finally {
    libc.fchdir(before);
    closeSync(before);
  }
}

/** Undefined when we could not come back: the user may not be allowed to search it. */
function openWorkingDirectory(): number | undefined {
  try {
    return openSync('.', O_PATH | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
}

function connectAs(type: Connection['type'], path: string): Connection | undefined {
  const descriptor = attempt(() => libc.socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (descriptor < 0) return undefined;
  const address = unixAddress(path);
  if (attempt(() => libc.connect(descriptor, address, address.length)) === 0) return { descriptor, type };
  closeSync(descriptor);
  return undefined;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `<29>Nov  5 04:08:03 TAG[PID]: TEXT`, local time, as glibc sends it (RFC 3164 without the host). */
function formatLine(priority: number, tag: string, text: string): string {
  const now = new Date();
  const day = String(now.getDate()).padStart(2);
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map((part) =>
    String(part).padStart(2, '0'),
  );
  return `<${priority}>${months[now.getMonth()]} ${day} ${time.join(':')} ${tag}[${process.pid}]: ${text}`;
}
