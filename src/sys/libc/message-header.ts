// struct msghdr with one buffer and one control buffer, for sendmsg(2) and
// recvmsg(2), laid out by hand (64-bit Linux, glibc and musl alike).
import { addressOf } from './memory.ts';

/** Bytes of a control message in its buffer, as CMSG_SPACE(3). */
export function controlSpace(dataBytes: number): number {
  return 16 + Math.ceil(dataBytes / 8) * 8;
}

export class MessageHeader {
  readonly bytes = Buffer.alloc(56);
  /** struct iovec; referred to by `bytes`, as are the two buffers. */
  readonly #vector = Buffer.alloc(16);
  readonly #data: Buffer;
  readonly #control: Buffer;

  constructor(data: Buffer, control: Buffer) {
    this.#data = data;
    this.#control = control;
    this.#vector.writeBigUInt64LE(addressOf(data), 0);
    this.#vector.writeBigUInt64LE(BigInt(data.length), 8);
    this.bytes.writeBigUInt64LE(addressOf(this.#vector), 16);
    this.bytes.writeBigUInt64LE(1n, 24);
    if (control.length === 0) return;
    this.bytes.writeBigUInt64LE(addressOf(control), 32);
    this.bytes.writeBigUInt64LE(BigInt(control.length), 40);
  }

  /** MSG_* of what was received. */
  get flags(): number {
    return this.bytes.readInt32LE(48);
  }

  /** What recvmsg has put into the buffer. */
  received(count: number): Buffer {
    return this.#data.subarray(0, count);
  }

  /** The control messages that recvmsg has filled in. */
  controls(): { readonly level: number; readonly type: number; readonly data: Buffer }[] {
    const end = Number(this.bytes.readBigUInt64LE(40));
    const found = [];
    for (let offset = 0; offset + 16 <= end;) {
      const length = this.#control.readUInt32LE(offset);
      if (length < 16) break;
      found.push({
        level: this.#control.readInt32LE(offset + 8),
        type: this.#control.readInt32LE(offset + 12),
        data: this.#control.subarray(offset + 16, Math.min(offset + length, end)),
      });
      offset += controlSpace(length - 16);
    }
    return found;
  }
}

/** One control message for sendmsg(2). */
export function encodeControl(level: number, type: number, data: Buffer): Buffer {
  const control = Buffer.alloc(controlSpace(data.length));
  control.writeUInt32LE(16 + data.length, 0);
  control.writeInt32LE(level, 8);
  control.writeInt32LE(type, 12);
  data.copy(control, 16);
  return control;
}
