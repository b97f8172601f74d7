// A pool that no client can reach serves nobody: its socket file was removed or replaced, or a worker has spoiled the
// socket that all share. Before its workers are replaced that is set right, or the socket is bound anew where the
// supervisor still may: old workers finish on the old one, new ones start on the new.
import type { EventLog } from '../../core/machine.ts';
import { listenAgain, renewSocket } from '../../sys/socket/renew-socket.ts';
import { resetOptions } from '../../sys/socket-state/listener-options.ts';
import { describeReach } from '../../sys/socket-state/reach.ts';
import { socketOption } from '../../sys/socket-state/socket-facts.ts';
import { adjustSocketFile, standingOf, type Standing } from '../../sys/socket/socket-file.ts';
import type { PoolRecords } from '../records/pool-records.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { ReachCheck } from './reach-check.ts';

export interface RenewalOptions {
  readonly prepared: PreparedPool;
  readonly backlog: number;
  readonly reach: ReachCheck;
  readonly records: Pick<PoolRecords, 'renewed'>;
  readonly log: EventLog;
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
      : `nobody can connect: ${loss}, and ${failure}; start the pool again as it was started, and it is taken over`;
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
      : `nobody can connect: ${problem}, and ${failure}; start the pool again as it was started, with --replace`;
  }

  /** What can be set right without another socket. */
  #restore(): void {
    const { prepared, backlog, reach, log } = this.#options;
    const { socket, owner } = prepared;
    const told = restoreSocket(socket.descriptor, backlog);
    if (reach.isFileClosed && socket.file && adjustSocketFile(socket.file, { mode: owner.mode }))
      told.push('mode of its file');
    if (told.length > 0)
      log.write({
        event: 'warning',
        message: `a worker had changed the socket, which is as before: ${told.join(', ')}`,
      });
  }

  #bind(was: Exclude<Standing, 'ours'> | 'unreachable'): string | undefined {
    const { prepared, backlog, records, log } = this.#options;
    const { socket, address, bindAgain } = prepared;
    if (!bindAgain) return 'this supervisor has no right to make it again';
    try {
      renewSocket(socket, bindAgain(socket.descriptor));
    } catch (error) {
      restoreSocket(socket.descriptor, backlog);
      return `it cannot be made again (${(error as Error).message})`;
    }
    records.renewed();
    log.write({ event: 'socket-renewed', address, was });
    return undefined;
  }
}

/** What can be set right of the socket itself, and its name. */
export function restoreSocket(descriptor: number, backlog: number): string[] {
  const isListening = socketOption(descriptor, 'isListening') === 1;
  const names = resetOptions(descriptor);
  return !isListening && listenAgain(descriptor, backlog) ? [...names, 'shutdown(2)'] : names;
}
