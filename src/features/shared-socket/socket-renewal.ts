// A pool that no client can reach serves nobody: its socket file was removed or replaced, or a worker has spoiled the
// socket that all share. Before its workers are replaced that is set right, or the socket is bound anew where the
// supervisor still may: old workers finish on the old one, new ones start on the new.
import type { EventLog } from '../../core/machine.ts';
import { listenAgain, renewSocket } from '../../sys/socket/renew-socket.ts';
import type { ListenSocket } from '../../sys/socket/listen-socket.ts';
import { resetOptions, restoreOptions } from '../../sys/socket-state/listener-options.ts';
import { describeReach } from '../../sys/socket-state/reach.ts';
import { socketOption } from '../../sys/socket-state/socket-facts.ts';
import { adjustSocketFile, standingOf, type Standing } from '../../sys/socket/socket-file.ts';
import type { PoolRecords } from '../records/pool-records.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { ReachCheck } from './reach-check.ts';

export interface RenewalOptions {
  readonly prepared: PreparedPool;
  readonly reach: ReachCheck;
  readonly records: Pick<PoolRecords, 'renewed'>;
  readonly log: EventLog;
  /** What waits on the socket before, and serves nobody, waits in vain. */
  readonly onRenewed: () => void;
}

export class SocketRenewal {
  readonly #options: RenewalOptions;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** Sees to it that clients reach the socket; why they cannot afterwards either, and the way out, or undefined. */
  renew(): string | undefined {
    const { file } = this.#options.prepared.socket;
    const standing = file ? standingOf(file) : 'ours';
    return standing === 'ours' ? this.#renewSpoiled() : this.#renewLost(standing);
  }

  #renewLost(standing: Exclude<Standing, 'ours'>): string | undefined {
    const loss = `the socket file ${this.#options.prepared.address} was ${standing === 'gone' ? 'removed' : 'replaced'}`;
    const failure = this.#bind(standing);
    return failure === undefined
      ? undefined
      : `nobody can connect: ${loss}, and ${failure}; ${this.#wayOut('and it is taken over')}`;
  }

  #renewSpoiled(): string | undefined {
    this.#restore();
    const reach = this.#options.reach.reach();
    const problem = describeReach(reach);
    if (problem === undefined) return undefined;
    const isSomebodyElse = reach.kind === 'elsewhere' && !this.#options.prepared.socket.file;
    const failure = isSomebodyElse ? 'another process listens there beside it' : this.#bind('unreachable');
    return failure === undefined
      ? undefined
      : `nobody can connect: ${problem}, and ${failure}; ${this.#wayOut('with --replace')}`;
  }

  #wayOut(ending: string): string {
    return this.#options.prepared.socket.given
      ? 'let it open another, and start the pool again (systemd: systemctl restart NAME.socket NAME.service)'
      : `start the pool again as it was started, ${ending}`;
  }

  /** What can be set right without another socket. */
  #restore(): void {
    const { prepared, reach, log } = this.#options;
    const { socket, owner, config } = prepared;
    const told = restoreSocket(socket, config.backlog);
    if (
      reach.isFileClosed &&
      socket.file &&
      !socket.given &&
      adjustSocketFile(socket.file, { mode: owner.mode })
    )
      told.push('mode of its file');
    if (told.length > 0)
      log.write({
        event: 'warning',
        message: `a worker had changed the socket, which is as before: ${told.join(', ')}`,
      });
  }

  #bind(was: Exclude<Standing, 'ours'> | 'unreachable'): string | undefined {
    const { prepared, records, log, onRenewed } = this.#options;
    const { socket, address, bindAgain, config } = prepared;
    if (socket.given) return `the socket is that of who has opened it, ${socket.given.label}`;
    if (!bindAgain) return 'this supervisor has no right to make it again';
    try {
      renewSocket(socket, bindAgain(socket.descriptor));
    } catch (error) {
      restoreSocket(socket, config.backlog);
      return `it cannot be made again (${(error as Error).message})`;
    }
    records.renewed();
    log.write({ event: 'socket-renewed', address, was });
    onRenewed();
    return undefined;
  }
}

/** What can be set right of the socket itself, and its name; `backlog` of one that is ours. */
export function restoreSocket({ descriptor, given }: ListenSocket, backlog: number): string[] {
  const isListening = socketOption(descriptor, 'isListening') === 1;
  const names = given ? restoreOptions(descriptor, given.options) : resetOptions(descriptor);
  return !isListening && listenAgain(descriptor, given?.backlog ?? backlog)
    ? [...names, 'shutdown(2)']
    : names;
}
