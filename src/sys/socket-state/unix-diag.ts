// Asks the kernel about one Unix socket by its inode.
import { askSockDiag } from './sock-diag.ts';
import { AF_UNIX } from '../libc/socket-numbers.ts';

const requestBytes = 24;
/** Behind struct unix_diag_msg. */
const attributesAt = 16;

/**
 * Numbers of the attributes (UNIX_DIAG_*); the bit to ask for one is 1 << number, and `shutdown` comes with every
 * answer. `clients` are the inodes of those who wait to be accepted.
 */
export const unixDiag = { file: 1, peer: 2, clients: 3, queue: 4, shutdown: 6 } as const;

/** The attribute's bytes; undefined where the kernel does not tell, or the socket is not of our network namespace. */
export function askUnixDiag(inode: string, attribute: number): Buffer | undefined {
  try {
    const answer = askSockDiag(encodeRequest(inode, attribute));
    return typeof answer === 'number' ? undefined : findAttribute(answer, attribute);
  } catch {
    return undefined;
  }
}

/** struct unix_diag_req; all socket states, and any cookie. */
function encodeRequest(inode: string, attribute: number): Buffer {
  const request = Buffer.alloc(requestBytes);
  request.writeUInt8(AF_UNIX, 0);
  request.writeUInt32LE(0xffff_ffff, 4);
  request.writeUInt32LE(Number(BigInt(inode) & 0xffff_ffffn), 8);
  request.writeUInt32LE(1 << attribute, 12);
  request.fill(0xff, 16, 24);
  return request;
}

function findAttribute(answer: Buffer, attribute: number): Buffer | undefined {
  for (let offset = attributesAt; offset + 4 <= answer.length;) {
    const length = answer.readUInt16LE(offset);
    if (length < 4) return undefined;
    if (answer.readUInt16LE(offset + 2) === attribute) return answer.subarray(offset + 4, offset + length);
    offset += Math.ceil(length / 4) * 4;
  }
  return undefined;
}
