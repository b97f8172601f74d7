// `--ready notify`: which workers have said READY=1. Listens only while somebody is
// starting; at all other times the kernel drops what workers send.
import type { Evidence, Spawner } from '../supervisor/interfaces.ts';
import { NotifySocket } from '../sys/notify-socket.ts';
import type { ProcFs } from '../sys/proc-fs.ts';

export class ReadyNotices {
  readonly #socket: NotifySocket;
  readonly #awaited = new Set<number>();
  readonly #ready = new Set<number>();

  constructor(proc: ProcFs | undefined) {
    this.#socket = new NotifySocket(proc);
  }

  /** `NAME=value` for the workers. */
  get variable(): Buffer {
    return Buffer.from(`NOTIFY_SOCKET=${this.#socket.address}`);
  }

  /** Starts a worker by `spawn`, and listens before it can say anything. */
  awaiting<T extends ReturnType<Spawner['spawn']>>(spawn: () => T): T {
    this.#socket.unmute();
    const result = spawn();
    if ('pid' in result) this.#awaited.add(result.pid);
    this.#restIfNobodyStarts();
    return result;
  }

  evidenceOf(pid: number): Evidence {
    for (const { session, ready } of this.#socket.receive()) {
      if (ready && session !== undefined && this.#awaited.delete(session)) this.#ready.add(session);
    }
    this.#restIfNobodyStarts();
    return this.#ready.has(pid) ? 'yes' : 'no';
  }

  ended(pid: number): void {
    this.#ready.delete(pid);
    if (this.#awaited.delete(pid)) this.#restIfNobodyStarts();
  }

  #restIfNobodyStarts(): void {
    if (this.#awaited.size === 0) this.#socket.mute();
  }
}
