// What a refusal has to do with sockets that the caller has opened: systemd, inetd, supervisord, which wait for somebody
// who accepts.
import { readVariable, type Caller } from '../../sys/process/caller.ts';
import { isListeningInode } from '../../sys/proc/port-holder.ts';
import { ProcFs } from '../../sys/proc/proc-fs.ts';
import { socketOption } from '../../sys/socket-state/socket-facts.ts';

export function explainGivenSocket(message: string, caller: Caller): string[] {
  if (message.startsWith('no socket given')) return [...explainOthers(caller), ...explainUnseen(caller)];
  return message.includes('already in use') && isStdinListening(caller.front)
    ? [
        'descriptor 0 is a listening socket, which is used where no address is named: leave out -s and -p, or let nobody else listen there',
      ]
    : [];
}

/** LISTEN_FDS that reach us by inheritance. */
function explainOthers({ environment, front }: Caller): string[] {
  const [meant, own] = [readVariable(environment, 'LISTEN_PID'), front ?? process.pid];
  const isMeant = meant === undefined || Number(meant) === own;
  if (isMeant || readVariable(environment, 'LISTEN_FDS') === undefined) return [];
  return [
    `LISTEN_FDS is for PID ${meant} (LISTEN_PID), and this is PID ${own}: a shell before spawn-fcgi has to exec it; or --listen-fd N takes a descriptor by its number`,
  ];
}

/** The front cannot tell without /proc. */
function explainUnseen({ front }: Caller): string[] {
  return isStdinListening(front) ? ['descriptor 0 is a listening socket: --listen-fd 0 takes it'] : [];
}

/** Descriptor 0 of the command; behind a front ours is /dev/null, and the front's is looked at. */
function isStdinListening(front: number | undefined): boolean {
  if (front === undefined) return socketOption(0, 'isListening') === 1;
  const proc = ProcFs.open();
  const inode = /^socket:\[(\d+)\]$/.exec(proc?.readLink(`${front}/fd/0`) ?? '')?.[1];
  return proc !== undefined && inode !== undefined && isListeningInode(proc, inode);
}
