// A pool whose socket file was removed or replaced serves nobody. Before its workers are replaced the socket is bound
// anew, where the supervisor still may: old workers finish on the old one, new ones start on the new.
import type { Config } from '../core/config.ts';
import type { EventLog } from '../supervisor/interfaces.ts';
import { renewSocket, type SocketOwner } from '../sys/listen-socket.ts';
import { standingOf } from '../sys/socket-file.ts';
import type { PoolRecords } from './pool-records.ts';
import type { PreparedPool } from './prepare-pool.ts';

export interface RenewalOptions {
  readonly prepared: PreparedPool;
  readonly records: Pick<PoolRecords, 'renewed'>;
  readonly log: EventLog;
}

export class SocketRenewal {
  readonly #options: RenewalOptions;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Binds anew if that is needed; why nobody can connect afterwards either, and the way out, or undefined. */
  renew(): string | undefined {
    const { prepared, records, log } = this.#options;
    const { socket, address, bindAgain } = prepared;
    const standing = socket.file ? standingOf(socket.file) : 'ours';
    if (standing === 'ours') return undefined;
    const loss = `the socket file ${address} was ${standing === 'gone' ? 'removed' : 'replaced'}`;
    const failure = this.#bind(bindAgain);
    if (failure !== undefined) {
      return `nobody can connect: ${loss}, and ${failure}; start the pool again as it was started, and it is taken over`;
    }
    records.renewed();
    log.write({ event: 'socket-renewed', address, was: standing });
    return undefined;
  }

  #bind(bindAgain: PreparedPool['bindAgain']): string | undefined {
    if (!bindAgain) return 'this supervisor has no right to make it again';
    try {
      renewSocket(this.#options.prepared.socket, bindAgain());
      return undefined;
    } catch (error) {
      return `it cannot be made again (${(error as Error).message})`;
    }
  }
}

/**
 * Whether the path still leads where it led, after chroot and -d, and the file would get the owner that it had. (What the
 * directory then allows is another question.)
 */
export function mayBindAgain(config: Config, owner: SocketOwner): boolean {
  const { listen, chroot, socketBeforeChroot, directory } = config;
  if (listen.kind !== 'unix' || (socketBeforeChroot && chroot !== undefined)) return false;
  if (!listen.path.startsWith('/') && directory !== undefined) return false;
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return uid === 0 || ((owner.uid || uid) === uid && (owner.gid || gid) === gid);
}
