// Lets nobody new in while a pool stops, without that its workers notice: what is accepted or queued is finished,
// and then it is over. For a socket that ends with the pool, never for one that lives on with somebody else.
import { constants } from 'node:fs';
import { AT_FDCWD, O_CLOEXEC, O_PATH, removeIfSame, statDescriptor } from '../path/file-at.ts';
import { attempt, libc } from '../libc/libc.ts';
import { AF_INET6, AF_UNIX, IPPROTO_IP, IPPROTO_IPV6 } from '../libc/socket-numbers.ts';
import type { ListenSocket } from './listen-socket.ts';
import {
  attachedFilter,
  attachFilter,
  rawOption,
  setRawOption,
  socketOption,
} from '../socket-state/socket-facts.ts';
import type { SocketFile } from './socket-file.ts';

const IP_MINTTL = 21;
const IPV6_MINHOPCOUNT = 73;
const mostHops = 255;

/**
 * Classic BPF on TCP's header (linux/filter.h): drops what asks for a new connection. Handshakes that have begun
 * end, and connections, which inherit the filter, never see it do anything.
 */
const filter = Buffer.concat(
  [
    [0x30, 0, 0, 13], // load the byte of flags
    [0x54, 0, 0, 0x12], // of it SYN and ACK
    [0x15, 0, 1, 0x02], // SYN alone?
    [0x06, 0, 0, 0], // drop
    [0x06, 0, 0, 0xffff_ffff], // else pass all of it
  ].map(([code = 0, ifTrue = 0, ifFalse = 0, operand = 0]) => {
    const instruction = Buffer.alloc(8);
    instruction.writeUInt16LE(code, 0);
    instruction.writeUInt8(ifTrue, 2);
    instruction.writeUInt8(ifFalse, 3);
    instruction.writeUInt32LE(operand, 4);
    return instruction;
  }),
);

export class SocketDoor {
  readonly #socket: ListenSocket;
  /** A descriptor of /proc, to change a mode after chroot. */
  readonly #proc: number | undefined;
  #isShut = false;
  #isFileGone = false;
  #modeBefore: number | undefined;

  constructor(socket: ListenSocket, proc: number | undefined) {
    this.#socket = socket;
    this.#proc = proc;
  }

  /** False where nothing could be done: new connections still come. */
  get isShut(): boolean {
    return this.#isShut;
  }

  /** We have removed the socket's file: what is there now is somebody else's, even if it has the same inode. */
  get isFileGone(): boolean {
    return this.#isFileGone;
  }

  /** Of a socket that somebody else has opened: nobody, who connects there waits for whoever is started next. */
  shut(): void {
    const { descriptor, file, given } = this.#socket;
    if (given) return;
    if (socketOption(descriptor, 'domain') !== AF_UNIX) this.#isShut = bar(descriptor);
    else if (file) this.#isShut = this.#takeName(file);
  }

  /** Once the socket is closed: its file, if we could not remove it, gets its mode back. */
  leave(): void {
    const mode = this.#modeBefore;
    if (mode !== undefined && this.#socket.file) this.#changeMode(this.#socket.file, () => mode);
  }

  /** A connect(2) goes by the file: without it, or without permission, there is none. */
  #takeName(file: SocketFile): boolean {
    this.#isFileGone = removeIfSame(file.at, file.identity);
    if (this.#isFileGone) return true;
    return this.#changeMode(file, (mode) => {
      this.#modeBefore = mode;
      return 0;
    });
  }

  #changeMode({ at, identity }: SocketFile, choose: (mode: number) => number): boolean {
    const file = attempt(() =>
      libc.openat(at.directory, at.name, O_PATH | O_CLOEXEC | constants.O_NOFOLLOW, 0),
    );
    if (file < 0) return false;
    try {
      const facts = statDescriptor(file);
      if (facts.identity !== identity || facts.uid !== process.geteuid?.()) return false;
      const path = this.#proc === undefined ? `/proc/self/fd/${file}` : `${process.pid}/fd/${file}`;
      const mode = choose(facts.mode & 0o7777);
      return attempt(() => libc.fchmodat(this.#proc ?? AT_FDCWD, path, mode, 0)) === 0;
    } finally {
      libc.close(file);
    }
  }
}

/** What somebody else has set is left alone. */
function bar(descriptor: number): boolean {
  const attached = attachedFilter(descriptor);
  if (attached === undefined || attached.length > 0) return attached?.equals(filter) === true;
  // Newer kernels (6.18) ask for CAP_NET_ADMIN.
  return attempt(() => attachFilter(descriptor, filter)) === 0 || barByHops(descriptor);
}

/**
 * Drops what comes from further than any packet has come, and needs no privilege (IP_MINTTL of ip(7), Linux 2.6.34).
 * A connection inherits it that was in the middle of its handshake: it will never be heard of again.
 */
function barByHops(descriptor: number): boolean {
  const limits = hopLimits(descriptor);
  if (limits.some(([level, name]) => rawOption(descriptor, level, name)?.readInt32LE() !== 0)) return false;
  return limits.every(([level, name]) => setRawOption(descriptor, level, name, Buffer.of(mostHops, 0, 0, 0)));
}

/** Of a socket for both families each has its own. */
function hopLimits(descriptor: number): readonly (readonly [level: number, name: number])[] {
  const domain = socketOption(descriptor, 'domain');
  if (domain === AF_UNIX) return [];
  return domain === AF_INET6
    ? [
        [IPPROTO_IPV6, IPV6_MINHOPCOUNT],
        [IPPROTO_IP, IP_MINTTL],
      ]
    : [[IPPROTO_IP, IP_MINTTL]];
}
