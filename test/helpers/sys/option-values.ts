/** Values of socket options, as setsockopt(2) takes them. */

export const SOL_SOCKET = 1;

export function intOf(number: number): Buffer {
  const value = Buffer.alloc(4);
  value.writeInt32LE(number);
  return value;
}

/** struct timeval. */
export function timeOf(microseconds: number): Buffer {
  const value = Buffer.alloc(16);
  value.writeBigInt64LE(BigInt(microseconds), 8);
  return value;
}
