// Asks the kernel which TCP socket would get a connection: its own look-up, of our network namespace, that a first
// segment goes through, not a list to compare.
import { askSockDiag } from './sock-diag.ts';
import { AF_INET6, IPPROTO_TCP } from '../libc/socket-numbers.ts';

const requestBytes = 56;
/** In struct inet_diag_req_v2: the socket's ID, and in it both ports, both addresses, interface and cookie. */
const idAt = 8;
/** In struct inet_diag_msg; of a listening socket the queues are who waits to be accepted, and how many may. */
const inodeAt = 68;
const lengthAt = 56;
const backlogAt = 60;
/** A port that nobody has: the one who asks is not there yet. */
const noPort = 0;

/**
 * The inode of the listening socket that a client of that address would reach; undefined: none, or the kernel does not
 * tell (no tcp_diag). Both are addresses of one family as of bind(2).
 */
export function listenerFor(address: Buffer, client: Buffer): string | undefined {
  try {
    const answer = askSockDiag(encodeRequest(address, client));
    return typeof answer === 'number' ? undefined : String(answer.readUInt32LE(inodeAt));
  } catch {
    return undefined;
  }
}

/** The queue of the socket that such a client would reach; undefined as above. */
export function listenerQueueFor(
  address: Buffer,
  client: Buffer,
): { readonly inode: string; readonly length: number; readonly backlog: number } | undefined {
  try {
    const answer = askSockDiag(encodeRequest(address, client));
    if (typeof answer === 'number') return undefined;
    const inode = String(answer.readUInt32LE(inodeAt));
    return { inode, length: answer.readUInt32LE(lengthAt), backlog: answer.readUInt32LE(backlogAt) };
  } catch {
    return undefined;
  }
}

function encodeRequest(address: Buffer, client: Buffer): Buffer {
  const request = Buffer.alloc(requestBytes);
  const family = address.readUInt16LE(0);
  request.writeUInt8(family, 0);
  request.writeUInt8(IPPROTO_TCP, 1);
  request.writeUInt32LE(0xffff_ffff, 4);
  const [from, to] = family === AF_INET6 ? [8, 24] : [4, 8];
  request.writeUInt16BE(address.readUInt16BE(2), idAt);
  request.writeUInt16BE(noPort, idAt + 2);
  address.copy(request, idAt + 4, from, to);
  client.copy(request, idAt + 20, from, to);
  // A link-local address has its interface.
  if (family === AF_INET6) request.writeUInt32LE(address.readUInt32LE(24), idAt + 36);
  request.fill(0xff, idAt + 40, idAt + 48);
  return request;
}
