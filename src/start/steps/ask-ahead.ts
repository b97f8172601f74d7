// A step of a start with `--ready probe`: the question waits in the queue for the first worker that accepts. Later we
// might not be allowed to connect.
import { AF_INET, AF_INET6 } from '../../sys/libc/socket-numbers.ts';
import { isOfOtherNamespace } from '../../sys/socket-state/network-namespace.ts';
import { socketOption } from '../../sys/socket-state/socket-facts.ts';
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

export function askAhead(have: Pick<Given, 'config'> & Place & Listening): Asked {
  const { config, socket, isTakingOver } = have;
  if (config.ready !== 'probe') return { readyProbe: undefined };
  // On a socket that is taken over somebody else would answer.
  if (isTakingOver || !isWithinReach(have)) return { readyProbe: 'apart' };
  const backlog = socket.given?.backlog ?? config.backlog;
  return { readyProbe: connectAhead(socket.descriptor, backlog) ?? 'queue-full' };
}

/** One that was opened elsewhere may be out of our own reach (PrivateNetwork=, PrivateTmp=, a chroot). */
function isWithinReach({ socket: { given, descriptor }, clientPath }: Place & Listening): boolean {
  if (!given) return true;
  const domain = socketOption(descriptor, 'domain');
  const isIp = domain === AF_INET || domain === AF_INET6;
  return (isIp || clientPath !== undefined) && !isOfOtherNamespace(descriptor);
}
