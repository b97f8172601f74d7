// Steps of a start: whose the socket's file will be, and what that and the log mean for who is to use the pool. Looked
// up while the whole file system can be seen.
import { socketOwner, type SocketOwner } from '../../sys/socket/take-socket-file.ts';
import type { Place } from './find-place.ts';
import type { Users } from './resolve-users.ts';
import type { Given } from '../start-given.ts';
import { describeShutOut } from '../address/web-server-hint.ts';

export interface Owned {
  readonly owner: SocketOwner;
}

export function chooseOwner({
  config,
  proc,
  identity,
  socketIdentity,
}: Pick<Given, 'config' | 'proc'> & Users): Owned {
  return { owner: socketOwner(config, identity, socketIdentity, proc?.descriptor) };
}

export interface Foreseen {
  /** To print once the pool is up. */
  readonly laterHints: readonly string[];
}

export function foresee({
  config,
  bound,
  owner,
  laterHints = [],
}: Pick<Given, 'config'> & Place & Owned & Partial<Foreseen>): Foreseen {
  return { laterHints: [...laterHints, ...describeShutOut(config, bound, owner)] };
}
