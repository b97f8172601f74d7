// The source of the listening socket of workers that nobody supervises: the copy that was taken of it. What is changed on it
// is changed back when the start fails, since they serve on.
import { formatAddress } from '../../core/pool-id.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, libc } from '../../sys/libc/libc.ts';
import { acceptQueue } from '../../sys/socket-state/accept-queue.ts';
import { readOptions, restoreOptions } from '../../sys/socket-state/listener-options.ts';
import { isOfOurNamespace } from '../../sys/socket-state/network-namespace.ts';
import { isNonBlocking, setNonBlocking } from '../../sys/socket/non-blocking.ts';
import { inodeOf } from '../../sys/socket/socket-file.ts';
import { checkListeningSocket } from '../../sys/socket/take-socket.ts';
import { lineInUse } from '../address/bind-hints.ts';
import type { StartJournal } from '../start-journal.ts';
import { holdTaken } from './inherit-socket.ts';
import type { Found, Sought } from './socket-source.ts';

/** Looked at from where the socket will be bound, after any chroot. */
export function fromUnsupervised(sought: Sought): Found {
  const { unsupervised, target, bound, journal } = sought;
  if (!unsupervised) return undefined;
  const { descriptor, workers } = unsupervised;
  const problem = checkListeningSocket(descriptor, target) ?? checkNamespace(descriptor);
  if (problem !== undefined) {
    const pids = workers.map(({ pid }) => pid).join(' ');
    throw new SpawnFcgiError(lineInUse(bound), {
      hints: [`${formatAddress(bound)} is not taken over from PID ${pids}: ${problem}`],
    });
  }
  noteState(descriptor, journal);
  return holdTaken(descriptor, sought, workers);
}

function checkNamespace(descriptor: number): string | undefined {
  return isOfOurNamespace(descriptor) ? undefined : 'its socket is of another network namespace';
}

function noteState(descriptor: number, journal: StartJournal): void {
  const options = readOptions(descriptor);
  const isNotBlocking = isNonBlocking(descriptor);
  const backlog = acceptQueue({ descriptor, inode: inodeOf(descriptor), file: undefined })?.backlog;
  journal.changed(() => {
    restoreOptions(descriptor, options);
    if (isNonBlocking(descriptor) !== isNotBlocking) setNonBlocking(descriptor, isNotBlocking);
    if (backlog !== undefined) attempt(() => libc.listen(descriptor, backlog));
  });
}
