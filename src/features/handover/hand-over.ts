// The old supervisor's side of --replace (docs/internals/handover.md): gives copies of the
// sockets and files, goes on serving until the new one has taken everything, and takes
// all back when the new one disappears or takes too long.
import type { ControlClient } from '../../control/server.ts';
import { protocolVersion, refusal } from '../../control/protocol.ts';
import type { Clock, EventLog } from '../../core/machine.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import { mostDescriptors, sendWithDescriptors } from '../../sys/connection/descriptor-passing.ts';
import { sessionsHolding } from '../../sys/session/socket-holders.ts';
import { parseTakerLine, type TakerLine, type TakerWorker } from '../../start/source/handover-lines.ts';
import type { FeatureList } from '../feature-list.ts';
import type { PoolRecords } from '../records/pool-records.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';

export interface HandoverOptions {
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly records: PoolRecords;
  readonly features: Pick<FeatureList, 'gifts' | 'handedOver'>;
  readonly log: EventLog;
  readonly clock: Clock;
  /** Until the new supervisor must be ready. */
  readonly patienceMs: number;
  /** Stops and starts serving the control socket. */
  readonly closeDesk: () => void;
  readonly openDesk: () => void;
}

/** The new supervisor answers within milliseconds once it has the files. */
const doneWithinMs = 5000;

/**
 * One handover: `offered` it has our descriptors; `yielded` it may write the files; `taken-back` it was to write them,
 * may do so still, and has not closed the connection; `over`.
 */
export class Handover {
  readonly #options: HandoverOptions;
  readonly #client: ControlClient;
  readonly #takerPid: number;
  /** Undefined where it cannot be known. */
  readonly #takerStart: string | undefined;
  readonly #takerWorkers: TakerWorker[] = [];
  readonly #takerSockets: string[] = [];
  #stage: 'offered' | 'yielded' | 'taken-back' | 'over' = 'offered';
  #takenFiles: readonly string[] = [];
  #cancelDeadline: () => void = () => undefined;

  private constructor(options: HandoverOptions, client: ControlClient, takerPid: number) {
    this.#options = options;
    this.#client = client;
    this.#takerPid = takerPid;
    this.#takerStart = options.prepared.proc?.stat(takerPid)?.startTime;
  }

  /** Offers the pool to the client; undefined when it was refused. */
  static begin(
    options: HandoverOptions,
    client: ControlClient,
    fields: Readonly<Record<string, unknown>>,
  ): Handover | undefined {
    const descriptors = options.prepared.files?.descriptors;
    if (!descriptors) {
      client.answer(refusal('failed', 'this pool has no state directory'));
      return undefined;
    }
    const unendable = options.supervisor.unendable;
    if (unendable !== undefined) {
      client.answer(refusal('failed', unendable));
      return undefined;
    }
    const handover = new Handover(options, client, Number(fields['pid']) || 0);
    handover.#offer(descriptors, fields['takesGifts'] === true);
    return handover;
  }

  /** The pool was told to stop: so is the new supervisor, unless everything is its already. */
  stop(): void {
    if (this.#stage !== 'offered') return;
    this.#say({ handover: 'stopping' });
    this.#end();
  }

  /** One that is older than gifts takes a fifth descriptor for a mistake, and knows no other line. */
  #offer(files: readonly number[], takesGifts: boolean): void {
    const { prepared, supervisor, log, patienceMs } = this.#options;
    supervisor.setHandingOver(true, this.#takerPid);
    log.write({ event: 'handover-started', to: this.#takerPid });
    this.#client.onLine = (line) => this.#take(line);
    const { socket } = this.#client;
    socket.on('end', () => this.#noteEnd());
    socket.on('close', () => this.#noteEnd());
    this.#expectWithin(patienceMs);
    if (takesGifts) this.#give();
    this.#say({ handover: 'offer' }, [prepared.socket.descriptor, ...files]);
  }

  /** As many lines as its descriptors need. */
  #give(): void {
    for (const { feature, data, descriptors } of this.#options.features.gifts()) {
      this.#say({ handover: 'gift', feature, data }, descriptors.slice(0, mostDescriptors));
      for (let at = mostDescriptors; at < descriptors.length; at += mostDescriptors)
        this.#say({ handover: 'gift', feature }, descriptors.slice(at, at + mostDescriptors));
    }
  }

  #expectWithin(ms: number): void {
    this.#cancelDeadline();
    this.#cancelDeadline = this.#options.clock.after(ms, () => {
      // Should we have been stopped ourselves, its word waits to be read.
      setImmediate(() => this.#loseTaker('the new supervisor took too long'));
    });
  }

  get #isUnderWay(): boolean {
    return this.#stage === 'offered' || this.#stage === 'yielded';
  }

  #take(line: string): void {
    const message = parseTakerLine(line);
    if (!this.#isUnderWay) return;
    if (message) this.#follow(message);
    else this.#loseTaker('the new supervisor says what nobody understands');
  }

  #follow(message: TakerLine): void {
    switch (message.handover) {
      case 'started':
        this.#takerWorkers.push(message);
        return;
      case 'trying':
        this.#takerSockets.push(message.socket);
        return;
      case 'ready':
        if (this.#stage === 'offered') this.#yield(message.pidFiles);
        return;
      case 'done':
        if (this.#stage === 'yielded') this.#leave();
    }
  }

  #yield(pidFiles: readonly string[]): void {
    const { records, closeDesk, supervisor } = this.#options;
    this.#stage = 'yielded';
    this.#takenFiles = pidFiles;
    records.silence();
    closeDesk();
    this.#expectWithin(doneWithinMs);
    this.#say({ handover: 'yours', reload: supervisor.pool.isReloadDue });
  }

  /** Everything is the new supervisor's: only our workers are left to us. */
  #leave(): void {
    const { records, supervisor, features, log } = this.#options;
    this.#end();
    log.write({ event: 'handed-over', to: this.#takerPid });
    records.handOver(this.#takenFiles);
    features.handedOver(this.#takenFiles);
    const startTime = this.#takerStart;
    supervisor.drain(startTime === undefined ? undefined : { pid: this.#takerPid, startTime });
  }

  /** The connection's end is the sign that the new supervisor is gone, or has given up. */
  #noteEnd(): void {
    this.#loseTaker('the new supervisor is gone');
    this.#client.socket.destroy();
    if (this.#stage !== 'taken-back') return;
    this.#stage = 'over';
    // It may have been stopped while it wrote, and have gone on with that until it read our word.
    this.#options.records.repeat();
  }

  #loseTaker(reason: string): void {
    if (!this.#isUnderWay) return;
    const { records, supervisor, log, openDesk } = this.#options;
    this.#stage = this.#stage === 'yielded' ? 'taken-back' : 'over';
    this.#cancelDeadline();
    this.#say({ handover: 'back' });
    log.write({ event: 'handover-failed', reason });
    if (this.#stage === 'taken-back') {
      records.takeBack();
      openDesk();
    }
    supervisor.endAdopted([...this.#takerWorkers, ...this.#findUntold()]);
    supervisor.setHandingOver(false);
  }

  /** Workers that it had no time to tell of: they are younger than it, and none of ours. */
  #findUntold(): TakerWorker[] {
    const { prepared, supervisor } = this.#options;
    const { proc, socket } = prepared;
    if (!proc || this.#takerStart === undefined) return [];
    const bornAfter = Number(this.#takerStart);
    const known = new Set([...this.#takerWorkers.map(({ pid }) => pid), ...supervisor.roster.pids]);
    return [socket.inode, ...this.#takerSockets]
      .flatMap((inode) => sessionsHolding(proc, inode, known))
      .filter(({ startTime }) => Number(startTime) >= bornAfter);
  }

  #end(): void {
    this.#stage = 'over';
    this.#cancelDeadline();
    this.#client.socket.destroy();
  }

  /** Past the stream: descriptors can only go with the bytes of one sendmsg(2). */
  #say(message: object, descriptors: readonly number[] = []): void {
    const line = `${JSON.stringify({ v: protocolVersion, ...message })}\n`;
    // Node tells the number nowhere else.
    // oxlint-disable-next-line no-underscore-dangle
    const handle = (this.#client.socket as unknown as { _handle: { fd: number } | null })._handle;
    try {
      if (handle) sendWithDescriptors(handle.fd, Buffer.from(line), descriptors);
    } catch (error) {
      this.#client.socket.destroy(error as Error);
    }
  }
}
