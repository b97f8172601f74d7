// Takes the socket that the caller has opened as ours, and closes the others that came with it: before anything of our own
// is opened.
import { closeSync, openSync } from 'node:fs';
import { SpawnFcgiError } from '../core/errors.ts';
import { F_DUPFD_CLOEXEC } from '../sys/libc/fcntl-numbers.ts';
import { attempt, check, libc } from '../sys/libc/libc.ts';
import { firstInherited } from '../sys/process/caller.ts';
import type { OfferedSocket } from '../sys/socket/offered-sockets.ts';
import { socketOption } from '../sys/socket-state/socket-facts.ts';
import { describeOffered, requireFit, type Choice, type GivenSocket } from './choose-given.ts';
import { printHint } from './report/print.ts';

const streams = [0, 1, 2];

/** Throws where a pool cannot work on it. Undefined: none was chosen. */
export function takeGiven({ chosen, surplus }: Choice): GivenSocket | undefined {
  const given = chosen && requireFit(chosen);
  closeSurplus(surplus);
  if (!given) return undefined;
  if (given.descriptor > 2) return given;
  const descriptor = attempt(() => libc.fcntl(given.descriptor, F_DUPFD_CLOEXEC, 'int', firstInherited));
  if (descriptor < 0)
    throw new SpawnFcgiError(`${given.label} cannot be taken: ${libc.strerror(-descriptor)}`);
  replaceStreams();
  return { ...given, descriptor };
}

/** Whoever gives it as descriptor 0 may give it as 1 and 2 as well (inetd): nothing can be printed into it. */
function replaceStreams(): void {
  const nowhere = openSync('/dev/null', 'r+');
  for (const stream of streams.filter((one) => socketOption(one, 'isListening') === 1))
    check('dup2', () => libc.dup2(nowhere, stream));
  closeSync(nowhere);
}

function closeSurplus(surplus: readonly OfferedSocket[]): void {
  if (surplus.length === 0) return;
  printHint(`not used, and closed: ${surplus.map(describeOffered).join(', ')}`);
  for (const { descriptor } of surplus) if (descriptor > 2) libc.close(descriptor);
}
