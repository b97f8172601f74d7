// The old supervisor's side of --replace (docs/handover.md): gives copies of the
// sockets and files, goes on serving until the new one has taken everything, and takes
// all back when the new one disappears.
import type { ControlClient } from '../control/server.ts';
import { protocolVersion, refusal } from '../control/protocol.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import type { EventLog } from '../supervisor/interfaces.ts';
import { sendWithDescriptors } from '../sys/descriptor-passing.ts';
import { parseTakerLine, type Taker, type TakerLine } from './handover-lines.ts';
import type { PoolRecords } from './pool-records.ts';
import type { PreparedPool } from './prepare-pool.ts';

export interface HandoverOptions {
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly records: PoolRecords;
  readonly log: EventLog;
  /** Ends workers of a new supervisor that is gone. */
  readonly endOrphans: (workers: readonly Taker[]) => void;
  /** Stops and starts serving the control socket. */
  readonly closeDesk: () => void;
  readonly openDesk: () => void;
}

/** One handover: `offered` it has our descriptors; `yielded` it may write the files; `over`. */
export class Handover {
  readonly #options: HandoverOptions;
  readonly #client: ControlClient;
  readonly #takerWorkers: Taker[] = [];
  #stage: 'offered' | 'yielded' | 'over' = 'offered';
  #takerPid = 0;
  #takenFiles: readonly string[] = [];

  private constructor(options: HandoverOptions, client: ControlClient) {
    this.#options = options;
    this.#client = client;
  }

  static begin(
    options: HandoverOptions,
    client: ControlClient,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    const descriptors = options.prepared.files?.descriptors;
    if (!descriptors) {
      client.answer(refusal('failed', 'this pool has no state directory'));
      return;
    }
    new Handover(options, client).#offer(descriptors, Number(fields['pid']) || 0);
  }

  #offer(files: readonly number[], takerPid: number): void {
    const { prepared, supervisor, log } = this.#options;
    this.#takerPid = takerPid;
    supervisor.setHandingOver(true);
    log.write({ event: 'handover-started', to: takerPid });
    this.#client.onLine = (line) => this.#take(line);
    this.#client.socket.on('close', () => this.#loseTaker());
    try {
      this.#send('offer', [prepared.socket.descriptor, ...files]);
    } catch (error) {
      this.#client.socket.destroy(error as Error);
    }
  }

  #take(line: string): void {
    const message = parseTakerLine(line);
    if (!message || this.#stage === 'over') {
      this.#client.socket.destroy();
      return;
    }
    this.#follow(message);
  }

  #follow(message: TakerLine): void {
    switch (message.handover) {
      case 'started':
        this.#takerWorkers.push(message);
        return;
      case 'ready':
        if (this.#stage !== 'offered') return;
        this.#stage = 'yielded';
        this.#takenFiles = message.pidFiles;
        this.#options.records.silence();
        this.#options.closeDesk();
        this.#send('yours', []);
        return;
      case 'done':
        if (this.#stage === 'yielded') this.#leave();
    }
  }

  /** Everything is the new supervisor's: only our workers are left to us. */
  #leave(): void {
    const { records, supervisor, log } = this.#options;
    this.#stage = 'over';
    log.write({ event: 'handed-over', to: this.#takerPid });
    records.handOver(this.#takenFiles);
    supervisor.drain();
    this.#client.socket.destroy();
  }

  /** The connection's end is the one sign that the new supervisor is gone, or has given up. */
  #loseTaker(): void {
    if (this.#stage === 'over') return;
    const { records, supervisor, log, endOrphans, openDesk } = this.#options;
    const wasYielded = this.#stage === 'yielded';
    this.#stage = 'over';
    log.write({ event: 'handover-failed', reason: 'the new supervisor is gone' });
    if (wasYielded) {
      records.takeBack();
      openDesk();
    }
    endOrphans(this.#takerWorkers);
    supervisor.setHandingOver(false);
  }

  /** Past the stream: descriptors can only go with the bytes of one sendmsg(2). */
  #send(word: 'offer' | 'yours', descriptors: readonly number[]): void {
    const line = `${JSON.stringify({ v: protocolVersion, handover: word })}\n`;
    const { fd } = (this.#client.socket as unknown as { _handle: { fd: number } })._handle;
    sendWithDescriptors(fd, Buffer.from(line), descriptors);
  }
}
