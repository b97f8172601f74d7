// O_NONBLOCK of a socket, which all who share its open file description see.
import { libc } from '../libc/libc.ts';

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/** Whether O_NONBLOCK is set on the open file description, which all who inherited it share. */
export function isNonBlocking(descriptor: number): boolean {
  return (libc.fcntl(descriptor, F_GETFL, 'int', 0) & O_NONBLOCK) !== 0;
}

export function setNonBlocking(descriptor: number, isOn: boolean): void {
  const flags = libc.fcntl(descriptor, F_GETFL, 'int', 0);
  libc.fcntl(descriptor, F_SETFL, 'int', isOn ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
