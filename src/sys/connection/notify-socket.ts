// The socket of `--ready notify`: workers say READY=1 as sd_notify(3) does. Its name is
// abstract, so that a worker reaches it from any chroot, with any user. Nobody waits on it:
// it is looked at while somebody is starting, and drops what comes otherwise.
import { SyscallError } from '../../core/errors.ts';
import { check, E, libc } from '../libc/libc.ts';
import { controlSpace, MessageHeader } from '../libc/message-header.ts';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  SO_DETACH_FILTER,
} from '../libc/socket-numbers.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { attachFilter, localAddress } from '../socket-state/socket-facts.ts';

const SO_PASSCRED = 16;
const SCM_CREDENTIALS = 2;
/** A BPF program of one instruction: "return 0 bytes". */
const dropAll = Buffer.of(0x06, 0, 0, 0, 0, 0, 0, 0);
/** struct ucred: pid, uid, gid. */
const credentialBytes = 12;
const longestMessageBytes = 4096;
/** Somebody who sends without end must not hold us: the rest is for the next look. */
const mostMessages = 1000;

export interface Notification {
  /** The sender, as the kernel names it; 0 when it is of another PID namespace. */
  readonly pid: number;
  /** The sender's session when it was looked at, that is its worker; undefined when it had gone. */
  readonly session: number | undefined;
  /** Whether it says READY=1. */
  readonly ready: boolean;
}

export class NotifySocket {
  readonly #proc: ProcFs | undefined;
  readonly #descriptor: number;
  /** For NOTIFY_SOCKET: `@` and the name. */
  readonly address: string;

  constructor(proc: ProcFs | undefined) {
    this.#proc = proc;
    this.#descriptor = check('socket', () => libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const one = Buffer.of(1, 0, 0, 0);
    check('setsockopt', () => libc.setsockopt(this.#descriptor, SOL_SOCKET, SO_PASSCRED, one, 4));
    // The family alone: the kernel chooses a name that is free (unix(7), autobind).
    const unnamed = Buffer.of(AF_UNIX, 0);
    check('bind', () => libc.bind(this.#descriptor, unnamed, unnamed.length));
    this.address = `@${localAddress(this.#descriptor).toString('latin1', 3)}`;
  }

  /** What has come since the last look, in order; never waits. Anybody on the machine can send. */
  receive(): Notification[] {
    const notifications: Notification[] = [];
    // There is room for the sender's credentials alone: descriptors (FDSTORE=1, BARRIER=1) are closed by the kernel.
    while (notifications.length < mostMessages) {
      const control = Buffer.alloc(controlSpace(credentialBytes));
      const header = new MessageHeader(Buffer.alloc(longestMessageBytes), control);
      const length = this.#receiveInto(header);
      if (length === undefined) break;
      notifications.push(this.#describe(header, length));
    }
    return notifications;
  }

  /**
   * Lets the kernel drop everything that is sent from now on, and what is waiting: the sender is told
   * that it went well, and never waits for us. Workers go on sending STATUS= and WATCHDOG=1 for ever.
   * A message that was on its way at this moment may still be received.
   */
  mute(): void {
    check('setsockopt', () => attachFilter(this.#descriptor, dropAll));
    // A sender that waits for room goes on when a message is taken.
    while (this.receive().length > 0) continue;
  }

  /** Messages are taken again. */
  unmute(): void {
    const unused = Buffer.alloc(4);
    // ENOENT: it was not muted.
    libc.setsockopt(this.#descriptor, SOL_SOCKET, SO_DETACH_FILTER, unused, unused.length);
  }

  close(): void {
    libc.close(this.#descriptor);
  }

  /** The message's length; undefined when there is none. */
  #receiveInto(header: MessageHeader): number | undefined {
    try {
      return check('recvmsg', () => libc.recvmsg(this.#descriptor, header.bytes, MSG_DONTWAIT));
    } catch (error) {
      if (error instanceof SyscallError && error.errno === E.AGAIN) return undefined;
      throw error;
    }
  }

  /** Before the next message is taken: a sender that waits for its BARRIER=1 is still there. */
  #describe(header: MessageHeader, length: number): Notification {
    const pid = senderOf(header);
    const lines = header.received(length).toString('latin1').split('\n');
    return {
      pid,
      session: pid > 0 ? this.#proc?.stat(pid)?.session : undefined,
      ready: lines.includes('READY=1'),
    };
  }
}

function senderOf(header: MessageHeader): number {
  const credentials = header
    .controls()
    .find(({ level, type, data }) => level === SOL_SOCKET && type === SCM_CREDENTIALS && data.length >= 4);
  return credentials?.data.readInt32LE(0) ?? 0;
}
