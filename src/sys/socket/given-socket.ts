// Whether the caller has handed us a listening socket, as inetd and systemd do. Looks only.
import { ProcFs } from '../proc/proc-fs.ts';
import { isListeningInode } from '../proc/port-holder.ts';
import { socketOption } from '../socket-state/socket-facts.ts';

/** Descriptor 0 of the command; behind a front ours is /dev/null, and the front's is looked at. */
export function isStdinListening(front: number | undefined): boolean {
  if (front === undefined) return socketOption(0, 'isListening') === 1;
  const proc = ProcFs.open();
  const inode = /^socket:\[(\d+)\]$/.exec(proc?.readLink(`${front}/fd/0`) ?? '')?.[1];
  return proc !== undefined && inode !== undefined && isListeningInode(proc, inode);
}
