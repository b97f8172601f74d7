// What the kernel tells of one TCP socket: how long its client has been waiting, whether it has ended for
// good, and for a listening one the length of its queue (TCP_INFO, tcp(7)).
import { libc } from '../libc/libc.ts';
import { IPPROTO_TCP } from '../libc/socket-numbers.ts';

const TCP_INFO = 11;
const TCP_CLOSE = 7;
/** Offsets in struct tcp_info; a listening socket uses tcpi_unacked and tcpi_sacked for its queue. */
const at = {
  state: 0,
  unacked: 24,
  sacked: 28,
  lastDataSent: 44,
  lastDataReceived: 52,
  lastAckReceived: 56,
  bytesReceived: 128,
  dataSegmentsOut: 156,
};

export interface TcpFacts {
  /** Reset by the peer, or closed by both: nothing can be sent or come any more. */
  readonly isClosed: boolean;
  /** For at least so long a request has been in progress, if one is. */
  readonly waitingMs: number;
  /** Whether something was sent since bytes came last; undefined where both were in one tick of the clock (1 to 10 ms). */
  readonly isAnswered: boolean | undefined;
  /** How long ago something was sent last; undefined: nothing ever was. */
  readonly sentMs: number | undefined;
  /** Since when nothing was sent, and nothing came. */
  readonly quietMs: number;
  /** Bytes that came and are acknowledged, since the connection was made. */
  readonly received: bigint;
}

/** Of a connection; undefined where the kernel does not tell. */
export function tcpFacts(descriptor: number): TcpFacts | undefined {
  const info = tcpInfo(descriptor);
  if (!info) return undefined;
  // The clock of what was sent last starts with the connection: before the first byte it is its age. Afterwards
  // an answer may have been to the request before: what is certain is that nothing of this one came later.
  const hasAnswered = info.readUInt32LE(at.dataSegmentsOut) > 0;
  const [sentMs, receivedMs] = [info.readUInt32LE(at.lastDataSent), info.readUInt32LE(at.lastDataReceived)];
  return {
    isClosed: info[at.state] === TCP_CLOSE,
    waitingMs: hasAnswered ? receivedMs : sentMs,
    isAnswered: hasAnswered && isLater(sentMs, receivedMs, info.readUInt32LE(at.lastAckReceived)),
    sentMs: hasAnswered ? sentMs : undefined,
    quietMs: Math.min(sentMs, receivedMs),
    received: info.readBigUInt64LE(at.bytesReceived),
  };
}

/** All of them are ages. The client confirms what was sent to it, within 40 ms, but not what it has sent itself. */
function isLater(sentMs: number, receivedMs: number, confirmedMs: number): boolean | undefined {
  if (sentMs !== receivedMs) return sentMs < receivedMs;
  return confirmedMs < receivedMs ? true : undefined;
}

/** Of a listening socket. */
export function tcpQueue(
  descriptor: number,
): { readonly length: number; readonly backlog: number } | undefined {
  const info = tcpInfo(descriptor);
  return info && { length: info.readUInt32LE(at.unacked), backlog: info.readUInt32LE(at.sacked) };
}

function tcpInfo(descriptor: number): Buffer | undefined {
  const info = Buffer.alloc(256);
  const length = Buffer.of(0, 1, 0, 0);
  return libc.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, length) === 0 ? info : undefined;
}
