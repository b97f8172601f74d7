// Whether a socket is of our network namespace: from another one nobody here reaches it by TCP.
import { reachableAddress } from '../connection/private-socket.ts';
import { libc } from '../libc/libc.ts';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from '../libc/socket-numbers.ts';
import { listenerFor } from './inet-diag.ts';
import { localAddress, namespaceOf, socketOption } from './socket-facts.ts';
import { inodeOf } from '../socket/socket-file.ts';

/** Whether it is for certain; where the kernel tells nothing, it is not. */
export function isOfOurNamespace(descriptor: number): boolean {
  const other = namespaceOf(descriptor);
  if (other !== undefined) return other === ownNamespace();
  return socketOption(descriptor, 'domain') === AF_UNIX || listenerOf(descriptor) === inodeOf(descriptor);
}

/** Whether it is for certain, too. */
export function isOfOtherNamespace(descriptor: number): boolean {
  const other = namespaceOf(descriptor);
  return other !== undefined && other !== ownNamespace();
}

let own: bigint | undefined;
function ownNamespace(): bigint | undefined {
  if (own !== undefined) return own;
  const socket = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  own = namespaceOf(socket);
  libc.close(socket);
  return own;
}

/** Who gets a connection to this socket's address that comes from this machine. */
export function listenerOf(descriptor: number): ReturnType<typeof listenerFor> {
  const address = reachableAddress(localAddress(descriptor));
  return listenerFor(address, address);
}
