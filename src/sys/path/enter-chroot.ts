// The directory of -c as our root: the very one that the path was found to lead to.
import { closeSync } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, libc } from '../libc/libc.ts';
import { describeOpenFailure, openDirectory } from './open-parent.ts';

/** Throws 1.6's refusal. */
export function enterChroot(root: string): void {
  let directory: number;
  try {
    directory = openDirectory(root);
  } catch (error) {
    const { reason, hints } = describeOpenFailure(error);
    throw new SpawnFcgiError(`chroot('${root}') failed: ${reason}`, { cause: error, hints });
  }
  const entered = attempt(() => libc.fchdir(directory));
  const result = entered < 0 ? entered : attempt(() => libc.chroot('.'));
  closeSync(directory);
  if (result < 0) throw new SpawnFcgiError(`chroot('${root}') failed: ${libc.strerror(-result)}`);
  process.chdir('/');
}
