// Asks the kernel about one Unix socket by its inode (sock_diag(7)): needs no
// privilege, no /proc and no path.
import { check, libc } from './libc.ts';

const AF_UNIX = 1;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const MSG_DONTWAIT = 0x40;
const headerBytes = 16;
const requestBytes = headerBytes + 24;
/** Behind the header and struct unix_diag_msg. */
const attributesAt = headerBytes + 16;

/** Numbers of the attributes (UNIX_DIAG_*); the bit to ask for one is 1 << number. */
export const unixDiag = { file: 1, queue: 4 } as const;

let netlink: number | undefined;
let sequence = 0;

/** The attribute's bytes; undefined where the kernel does not tell, or the socket is not of our network namespace. */
export function askUnixDiag(inode: string, attribute: number): Buffer | undefined {
  try {
    return findAttribute(exchange(encodeRequest(inode, attribute)), attribute);
  } catch {
    return undefined;
  }
}

/** struct nlmsghdr and struct unix_diag_req; all sockets states, and any cookie. */
function encodeRequest(inode: string, attribute: number): Buffer {
  const request = Buffer.alloc(requestBytes);
  sequence = (sequence + 1) >>> 0;
  request.writeUInt32LE(requestBytes, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST, 6);
  request.writeUInt32LE(sequence, 8);
  request.writeUInt8(AF_UNIX, 16);
  request.writeUInt32LE(0xffff_ffff, 20);
  request.writeUInt32LE(Number(BigInt(inode) & 0xffff_ffffn), 24);
  request.writeUInt32LE(1 << attribute, 28);
  request.fill(0xff, 32, 40);
  return request;
}

/** The answer is there when the request has been sent. */
function exchange(request: Buffer): Buffer {
  netlink ??= check('socket', () => libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  const socket = netlink;
  check('send', () => libc.send(socket, request, request.length, 0));
  for (;;) {
    const answer = Buffer.alloc(1024);
    const length = check('recv', () => libc.recv(socket, answer, answer.length, MSG_DONTWAIT));
    if (answer.readUInt32LE(8) === sequence) return answer.subarray(0, length);
  }
}

/** An error message (NLMSG_ERROR) has no attributes. */
function findAttribute(answer: Buffer, attribute: number): Buffer | undefined {
  if (answer.readUInt16LE(4) !== SOCK_DIAG_BY_FAMILY) return undefined;
  for (let offset = attributesAt; offset + 4 <= answer.length;) {
    const length = answer.readUInt16LE(offset);
    if (length < 4) return undefined;
    if (answer.readUInt16LE(offset + 2) === attribute) return answer.subarray(offset + 4, offset + length);
    offset += Math.ceil(length / 4) * 4;
  }
  return undefined;
}
