// A step of a start with `--ready probe`: the question waits in the queue for the first worker that accepts. Later we
// might not be allowed to connect.
import { isOfOtherNamespace } from '../../sys/socket-state/network-namespace.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { SocketAddress } from '../../sys/socket/socket-address.ts';
import type { Place } from './find-place.ts';
import { connectAhead } from '../../sys/connection/private-socket.ts';
import type { Listening } from '../source/socket-source.ts';
import type { Given } from '../start-given.ts';

export interface Asked {
  /**
   * A connection to the pool, if there was room for one; `apart`: a worker is asked on a socket of its own; undefined:
   * nobody is asked.
   */
  readonly readyProbe: number | 'queue-full' | 'apart' | undefined;
}

export function askAhead({
  config,
  target,
  socket,
  isTakingOver,
}: Pick<Given, 'config'> & Place & Listening): Asked {
  if (config.ready !== 'probe') return { readyProbe: undefined };
  // On a socket that is taken over somebody else would answer.
  if (isTakingOver || !isWithinReach(socket, target)) return { readyProbe: 'apart' };
  const backlog = socket.given?.backlog ?? config.backlog;
  return { readyProbe: connectAhead(socket.descriptor, backlog) ?? 'queue-full' };
}

/** One that was opened elsewhere may be out of our own reach (PrivateNetwork=, PrivateTmp=). */
function isWithinReach({ given, descriptor, file }: ListenSocket, { kind }: SocketAddress): boolean {
  if (!given) return true;
  return (kind !== 'unix' || file !== undefined) && !isOfOtherNamespace(descriptor);
}
