// One question and one answer of sock_diag(7), about a single socket: needs no privilege, no /proc and no path.
import { check, libc } from '../libc/libc.ts';
import { MSG_DONTWAIT, SOCK_CLOEXEC } from '../libc/socket-numbers.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const headerBytes = 16;
/** A list of those who wait in a queue may be as long as a page. */
const answerBytes = 8192;

let netlink: number | undefined;
let sequence = 0;

/** The message of the answer, without its header; or minus errno: ENOENT for "no such socket", and where nobody answers. */
export function askSockDiag(message: Buffer): Buffer | number {
  const request = Buffer.concat([Buffer.alloc(headerBytes), message]);
  sequence = (sequence + 1) >>> 0;
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST, 6);
  request.writeUInt32LE(sequence, 8);
  const answer = exchange(request);
  const type = answer.readUInt16LE(4);
  if (type === NLMSG_ERROR) return answer.readInt32LE(headerBytes);
  return answer.subarray(headerBytes);
}

/** The answer is there when the request has been sent. */
function exchange(request: Buffer): Buffer {
  netlink ??= check('socket', () => libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  const socket = netlink;
  check('send', () => libc.send(socket, request, request.length, 0));
  for (;;) {
    const answer = Buffer.alloc(answerBytes);
    const length = check('recv', () => libc.recv(socket, answer, answer.length, MSG_DONTWAIT));
    if (answer.readUInt32LE(8) === sequence) return answer.subarray(0, length);
  }
}
