// A step of a start with `--ready probe`: the question waits in the queue for the first worker that accepts. Later we
// might not be allowed to connect.
import { connectAhead } from '../../sys/connection/private-socket.ts';
import type { Listening } from '../source/socket-source.ts';
import type { Given } from '../start-given.ts';

export interface Asked {
  /** A connection to the pool, if there was room for one; undefined: nobody is asked on the pool's socket. */
  readonly readyProbe: number | 'queue-full' | undefined;
}

/** On a socket that is taken over somebody else would answer. */
export function askAhead({ config, socket, isTakingOver }: Pick<Given, 'config'> & Listening): Asked {
  if (config.ready !== 'probe' || isTakingOver) return { readyProbe: undefined };
  return { readyProbe: connectAhead(socket.descriptor, config.backlog) ?? 'queue-full' };
}
