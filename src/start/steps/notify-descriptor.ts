// The descriptor that --notify-fd names; to be taken before anything of ours is opened.
import type { Config } from '../../core/config.ts';
import { SpawnFcgiError } from '../../core/errors.ts';
import { firstInherited, type Caller } from '../../sys/process/caller.ts';
import { takeDescriptor } from '../../sys/log/stream-log.ts';

export function takeNotifyDescriptor(
  { notifyFd }: Config,
  { front }: Pick<Caller, 'front'>,
): number | undefined {
  if (notifyFd === undefined) return undefined;
  const failure = `--notify-fd ${notifyFd} cannot be used`;
  if (front !== undefined && notifyFd < firstInherited)
    throw new SpawnFcgiError(
      `${failure}: the command itself uses descriptor ${notifyFd} in the background; take one from ${firstInherited} on, or -n`,
    );
  return takeDescriptor(notifyFd, front, failure);
}
