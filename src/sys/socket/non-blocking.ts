// O_NONBLOCK of a socket, which all who share its open file description see.
import { libc } from '../libc/libc.ts';
import { F_GETFL, F_SETFL, O_NONBLOCK } from '../libc/fcntl-numbers.ts';

/** Whether O_NONBLOCK is set on the open file description, which all who inherited it share. */
export function isNonBlocking(descriptor: number): boolean {
  return (libc.fcntl(descriptor, F_GETFL, 'int', 0) & O_NONBLOCK) !== 0;
}

export function setNonBlocking(descriptor: number, isOn: boolean): void {
  const flags = libc.fcntl(descriptor, F_GETFL, 'int', 0);
  libc.fcntl(descriptor, F_SETFL, 'int', isOn ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}
