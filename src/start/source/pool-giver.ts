// The new supervisor's side of --replace (docs/internals/handover.md): asks the old one for its
// sockets and files, tells it of each worker, and takes over when all are up.
import { SpawnFcgiError } from '../../core/errors.ts';
import { protocolVersion } from '../../control/protocol.ts';
import { writeStartTime } from '../../sys/proc/boot-clock.ts';
import { ControlConnection } from '../../sys/connection/control-connection.ts';
import { pause } from '../../sys/process/clock.ts';
import { libc } from '../../sys/libc/libc.ts';
import { parseGiverLine, type Gift, type Pending } from './handover-lines.ts';

/** Copies of the old supervisor's descriptors. */
export interface Offer {
  readonly listening: number;
  readonly lock: number;
  readonly state: number;
  readonly control: number;
}

const connectTimeoutMs = 2000;
const lookMs = 10;
/** A supervisor that lives answers within milliseconds. */
const answerTimeoutMs = 5000;

export class PoolGiver {
  readonly #connection: ControlConnection;
  readonly offer: Offer;
  /** Of its features; who takes none of them closes what came with it. */
  readonly gifts: readonly Gift[];

  private constructor(connection: ControlConnection, offer: Offer, gifts: readonly Gift[]) {
    this.#connection = connection;
    this.offer = offer;
    this.gifts = gifts;
  }

  /**
   * Asks the supervisor behind this control socket; waits while it is busy with something else, as
   * long as it does. Undefined when it is gone: the caller tries for the lock again.
   */
  static async ask(controlPath: string, where: string, patienceMs: number): Promise<PoolGiver | undefined> {
    let connection: ControlConnection;
    try {
      connection = ControlConnection.connect(controlPath, connectTimeoutMs);
    } catch (error) {
      throw refuse(where, (error as Error).message, error);
    }
    try {
      const request = {
        v: protocolVersion,
        command: 'handover',
        pid: process.pid,
        patienceMs,
        takesGifts: true,
      };
      connection.send(JSON.stringify(request));
      return await PoolGiver.#await(connection, where, patienceMs);
    } catch (error) {
      connection.close();
      throw error instanceof SpawnFcgiError ? error : refuse(where, (error as Error).message, error);
    }
  }

  static async #await(
    connection: ControlConnection,
    where: string,
    patienceMs: number,
  ): Promise<PoolGiver | undefined> {
    const deadlineMs = performance.now() + patienceMs + answerTimeoutMs;
    const gifts: Gift[] = [];
    for (;;) {
      const received = connection.receiveLine(0);
      if (received === 'closed') {
        connection.close();
        return undefined;
      }
      if (received === 'timeout') {
        if (performance.now() > deadlineMs) throw refuse(where, 'its supervisor does not answer');
        await pause(lookMs);
        continue;
      }
      const answer = parseGiverLine(received.line);
      if (answer.handover === 'gift') {
        const { feature, data } = answer;
        gifts.push({ feature, data, descriptors: received.descriptors });
        continue;
      }
      const offer = answer.handover === 'offer' ? offerOf(received.descriptors) : undefined;
      if (offer) return new PoolGiver(connection, offer, gifts);
      const unclaimed = [received, ...gifts].flatMap(({ descriptors }) => descriptors);
      for (const descriptor of unclaimed) libc.close(descriptor);
      throw refuse(where, answer.handover === 'refused' ? answer.message : 'it does not answer as expected');
    }
  }

  /** Tells of a worker, for the case that we die. */
  noteWorker(pid: number, startTime: string): void {
    this.#tell({ handover: 'started', pid, startTime: writeStartTime(startTime) });
  }

  /** Tells of the socket of a worker before that starts, for the same case. */
  noteSocket(inode: string): void {
    this.#tell({ handover: 'trying', socket: inode });
  }

  /**
   * All workers are up: asks for the files. `yours` with what was asked of the old supervisor meanwhile;
   * `stopping`: the pool was told to stop, and we must; `back`: it lost patience; `gone`: it died, and all is ours.
   */
  takeFiles(
    pidFiles: readonly string[],
  ):
    | { readonly answer: 'yours'; readonly pending: Pending }
    | { readonly answer: 'stopping' | 'back' | 'gone' } {
    this.#tell({ handover: 'ready', pidFiles });
    for (;;) {
      const received = this.#receive();
      if (received === undefined) return { answer: 'gone' };
      const message = parseGiverLine(received);
      if (message.handover === 'yours') return { answer: 'yours', pending: message.pending };
      if (message.handover === 'stopping' || message.handover === 'back') return { answer: message.handover };
    }
  }

  /**
   * Whether the old supervisor was told to stop the pool, lost patience with us, or is gone, since it made its
   * offer. One that lives never closes the connection without a word.
   */
  look(): 'serving' | 'stopping' | 'back' | 'gone' {
    return this.#read(0);
  }

  /**
   * Everything is ours: the old supervisor may end its workers, and closes the connection. False: it had lost
   * patience before it heard that. (One that hangs hears it before anything else when it goes on.)
   */
  finish(): boolean {
    this.#tell({ handover: 'done' });
    const isOurs = this.#read(answerTimeoutMs) !== 'back';
    this.#connection.close();
    return isOurs;
  }

  #read(timeoutMs: number): 'serving' | 'stopping' | 'back' | 'gone' {
    try {
      const received = this.#connection.receiveLine(timeoutMs);
      if (received === 'timeout') return 'serving';
      if (received === 'closed') return 'gone';
      const { handover } = parseGiverLine(received.line);
      return handover === 'stopping' || handover === 'back' ? handover : 'serving';
    } catch {
      return 'gone';
    }
  }

  /** We give up: the old supervisor goes on. */
  close(): void {
    this.#connection.close();
  }

  /** Undefined: closed. */
  #receive(): string | undefined {
    try {
      const received = this.#connection.receiveLine(answerTimeoutMs);
      // One that hangs has not let go of anything: it takes all back when it wakes up.
      if (received === 'timeout') throw new SpawnFcgiError('the old supervisor does not answer any more');
      return received === 'closed' ? undefined : received.line;
    } catch (error) {
      if (error instanceof SpawnFcgiError) throw error;
      return undefined;
    }
  }

  /** One that is gone is noticed when something is received. */
  #tell(message: object): void {
    try {
      this.#connection.send(JSON.stringify(message));
    } catch {
      // EPIPE.
    }
  }
}

function offerOf(descriptors: readonly number[]): Offer | undefined {
  const [listening, lock, state, control, ...more] = descriptors;
  const isWhole =
    listening !== undefined && lock !== undefined && state !== undefined && control !== undefined;
  return isWhole && more.length === 0 ? { listening, lock, state, control } : undefined;
}

function refuse(where: string, reason: string, cause?: unknown): SpawnFcgiError {
  return new SpawnFcgiError(`cannot take over the pool on ${where}: ${reason}`, { cause });
}
