// The last source of a listening socket: bind(2), as at no pool's place.
import type { Config } from '../../core/config.ts';
import type { BoundAddress } from '../../core/pool-id.ts';
import type { WorkerRecord } from '../../core/pool-state.ts';
import { pause } from '../../sys/process/clock.ts';
import { removeIfSame } from '../../sys/path/file-at.ts';
import { listenInPlaceOf } from '../../sys/socket/renew-socket.ts';
import { listenOn, type BindWitness, type ListenSocket } from '../../sys/socket/listen-socket.ts';
import type { SocketOwner } from '../../sys/socket/take-socket-file.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import { isInUse, withBindHints } from '../address/bind-hints.ts';
import { printHint } from '../report/print.ts';
import type { Listening, Sought, Unreachable } from './socket-source.ts';
import type { StartJournal } from '../start-journal.ts';

const retryPauseMs = 10;
const dyingWorkersMs = 1000;

/** Throws the refusal, with hints on who is there. */
export async function bindSocket({
  config,
  proc,
  journal,
  target,
  bound,
  owner,
  claim,
  former,
}: Sought & Unreachable): Promise<Listening> {
  const listen = (): ListenSocket => listenOn(target, config.backlog, owner, witnessOf(bound, journal));
  const deadlineMs = performance.now() + dyingWorkersMs;
  for (;;) {
    try {
      const socket = former ? listenInPlaceOf(former.descriptor, target, listen) : listen();
      return { socket: { ...socket, formerInode: former?.inode }, isTakingOver: false, former };
    } catch (error) {
      // Workers that were just killed together with their supervisor may be dying still.
      if (!isInUse(error) || claim.orphans.length === 0 || performance.now() > deadlineMs) {
        throw withBindHints(error, bound, proc, aliveOf(claim.orphans, proc));
      }
      // Looked at in /proc only: each try would be a connection for a worker that lives on.
      do await pause(retryPauseMs);
      while (aliveOf(claim.orphans, proc).length > 0 && performance.now() <= deadlineMs);
    }
  }
}

/** Tells the journal of a socket's file; undefined: it has none. */
export function witnessOf(bound: BoundAddress, journal: StartJournal): BindWitness | undefined {
  if (bound.kind !== 'unix') return undefined;
  const { path } = bound;
  return {
    binding: () => journal.binding(path),
    bound(file) {
      if (file) journal.made(path, file.identity, () => removeIfSame(file.at, file.identity));
      else journal.binding(undefined);
    },
    exposed(directory) {
      printHint(
        `everybody may replace files in '${directory}', this socket too, and get what its clients send; if that is not meant: chmod +t ${directory}`,
      );
    },
  };
}

function aliveOf(workers: readonly WorkerRecord[], proc: ProcFs | undefined): WorkerRecord[] {
  return workers.filter((worker) => proc?.isAlive(worker));
}

export interface Rebindable {
  /** Binds the same address once more, as at the start, in the place of that socket; undefined where a supervisor cannot. */
  readonly bindAgain: ((old: number) => ListenSocket) | undefined;
}

/** Asked as who we are from now on. */
export function keepBinding({
  config,
  target,
  owner,
  socket,
}: Pick<Sought, 'config' | 'target' | 'owner'> & Pick<Listening, 'socket'>): Rebindable {
  if (socket.given || !mayBindAgain(config, owner)) return { bindAgain: undefined };
  const listen = (): ListenSocket => listenOn(target, config.backlog, owner);
  return { bindAgain: (old) => listenInPlaceOf(old, target, listen) };
}

/**
 * Whether the address still leads where it led, after chroot and -d, and a file would get the owner that it had. (What the
 * directory, or the kernel of a port, then allows is another question.)
 */
function mayBindAgain(config: Config, owner: SocketOwner): boolean {
  const { listen, chroot, socketBeforeChroot, directory } = config;
  if (listen.kind !== 'unix') return listen.kind === 'tcp';
  if (socketBeforeChroot && chroot !== undefined) return false;
  if (!listen.path.startsWith('/') && directory !== undefined) return false;
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return uid === 0 || ((owner.uid || uid) === uid && (owner.gid || gid) === gid);
}
