// Where a listening socket can come from: a list of sources, of which the first that has one wins.
import { libc } from '../../sys/libc/libc.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { Claimed, FoundWorkers } from '../steps/claim-place.ts';
import type { Place } from '../steps/find-place.ts';
import type { Users } from '../steps/resolve-users.ts';
import type { Owned } from '../steps/socket-owner.ts';
import type { Given } from '../start-given.ts';
import type { Step } from '../start-plan.ts';

/** What a source may look at. */
export type Sought = Pick<Given, 'config' | 'proc' | 'journal' | 'given' | 'kept'> &
  Users &
  Place &
  Claimed &
  FoundWorkers &
  Owned;

export interface Listening {
  readonly socket: ListenSocket;
  /** It was another supervisor's, and its workers still accept on it. */
  readonly isTakingOver: boolean;
  /** One that was taken, and was of no use. */
  readonly former: ListenSocket | undefined;
}

/** A socket on the address that nobody can reach: another is bound in its place. */
export interface Unreachable {
  readonly former: ListenSocket | undefined;
}

/** Undefined: there is none here, and the next source is asked. */
export type Found = Listening | Unreachable | undefined;

/** Throws where nobody else may have one either. */
export type SocketSource = (sought: Sought) => Found;

/** The last source always has one, or says why there is none. */
export function listenFrom(
  sources: readonly SocketSource[],
  lastSource: Step<Sought & Unreachable, Listening>,
): Step<Sought, Listening> {
  return (sought) => {
    let former: ListenSocket | undefined;
    for (const source of sources) {
      const found = source(sought);
      if (found && 'socket' in found) return found;
      former ??= found?.former;
    }
    return lastSource({ ...sought, former });
  };
}

/** Only its number is needed from now on, to know workers that have it. */
export function closeFormer({ former }: Unreachable): void {
  if (former) libc.close(former.descriptor);
}
