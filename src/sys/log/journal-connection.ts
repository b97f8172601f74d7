// A stream to systemd's journal, as sd_journal_stream_fd(3) opens it: a line of what is written to it is an entry, of
// the process that writes. Connected before chroot and the drop of privileges. Never waits for journald to accept.
import { attempt, check, E, libc } from '../libc/libc.ts';
import { F_SETFL } from '../libc/fcntl-numbers.ts';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../libc/socket-numbers.ts';
import { O_CLOEXEC } from '../path/file-at.ts';
import { unixAddress } from '../connection/unix-socket.ts';

export const journalPath = '/run/systemd/journal/stdout';
const SHUT_RD = 0;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
/** As sd_journal_stream_fd(3): so much may wait for journald. */
const bufferBytes = 8 << 20;
const priorityInfo = 6;

/** Close-on-exec, blocking, to write only; or minus errno. `identifier` is what journalctl -t finds. */
export function connectJournal(identifier: string, path = journalPath): number {
  const descriptor = check('socket', () =>
    libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
  );
  const address = unixAddress(path);
  const header = headerFor(identifier);
  const connected = attempt(() => libc.connect(descriptor, address, address.length));
  const sent =
    connected < 0
      ? connected
      : attempt(() => libc.send(descriptor, header, header.length, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent < header.length) {
    libc.close(descriptor);
    return sent < 0 ? sent : -E.AGAIN;
  }
  libc.shutdown(descriptor, SHUT_RD);
  const size = Buffer.alloc(4);
  size.writeInt32LE(bufferBytes);
  // The second needs CAP_NET_ADMIN, and goes beyond the limit.
  for (const option of [SO_SNDBUF, SO_SNDBUFFORCE])
    attempt(() => libc.setsockopt(descriptor, SOL_SOCKET, option, size, size.length));
  libc.fcntl(descriptor, F_SETFL, 'int', 0);
  return descriptor;
}

/** Connects anew; whoever gets `descriptor` from now on has that. Minus errno: it stays what it is. */
export function reconnectJournal(descriptor: number, identifier: string): number {
  const next = connectJournal(identifier);
  if (next < 0) return next;
  const result = attempt(() => libc.dup3(next, descriptor, O_CLOEXEC));
  libc.close(next);
  return result;
}

/** Identifier, unit (journald finds it itself), priority, whether `<3>` in front of a line is one, and to whom it is forwarded. */
function headerFor(identifier: string): Buffer {
  return Buffer.from(`${identifier}\n\n${priorityInfo}\n1\n0\n0\n0\n`);
}
