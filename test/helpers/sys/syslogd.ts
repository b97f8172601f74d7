/**
 * A syslogd of the test's own: a datagram socket that is read only when the test
 * asks, so that it can also be one that does not read. (Node has no such sockets.)
 */
import { createRequire } from 'node:module';
import { rmSync } from 'node:fs';
import type Koffi from 'koffi';
import { libc } from '../../../src/sys/libc/libc.ts';
import { unixAddress } from '../../../src/sys/connection/unix-socket.ts';
import { atEnd } from '../machine/index.ts';

const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
const recv = koffi.load(null).func('long recv(int, void *, ulong, int)') as (
  descriptor: number,
  buffer: Buffer,
  length: number,
  flags: number,
) => number;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;

export interface Syslogd {
  /** The lines that came since the last call. */
  take(): string[];
  /** Sends it lines until it has no room for another one. */
  fill(): void;
  /** Ends it; its socket file stays, as that of a daemon that was killed. */
  end(): void;
}

/** Listens at the path, in the place of one that has ended. */
export function startSyslogd(path: string): Syslogd {
  rmSync(path, { force: true });
  const address = unixAddress(path);
  const open = (): number => libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const descriptor = open();
  if (libc.bind(descriptor, address, address.length) !== 0) throw new Error(`cannot bind ${path}`);
  libc.fchmodat(-100, path, 0o666, 0);
  let isOpen = true;
  const end = (): void => {
    if (isOpen) libc.close(descriptor);
    isOpen = false;
  };
  atEnd(end);
  return {
    take() {
      const buffer = Buffer.alloc(65_536);
      const lines: string[] = [];
      for (;;) {
        const length = recv(descriptor, buffer, buffer.length, MSG_DONTWAIT);
        if (length <= 0) return lines;
        lines.push(buffer.toString('utf8', 0, length));
      }
    },
    fill() {
      const client = open();
      libc.connect(client, address, address.length);
      const line = Buffer.from('noise');
      while (libc.send(client, line, line.length, MSG_DONTWAIT) > 0) continue;
      libc.close(client);
    },
    end,
  };
}
