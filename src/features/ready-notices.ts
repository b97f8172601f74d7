// `--ready notify`: which workers have said READY=1. Listens only while somebody is
// starting; at all other times the kernel drops what workers send.
import type { Feature } from './feature.ts';
import { NotifySocket } from '../sys/connection/notify-socket.ts';
import type { ProcFs } from '../sys/proc/proc-fs.ts';

export class ReadyNotices implements Feature {
  readonly variables: Readonly<Record<string, string>>;
  readonly #socket: NotifySocket;
  readonly #awaited = new Set<number>();
  readonly #ready = new Set<number>();

  constructor(proc: ProcFs | undefined) {
    this.#socket = new NotifySocket(proc);
    this.variables = { NOTIFY_SOCKET: this.#socket.address };
  }

  /** Listens before it can say anything. */
  starting(): void {
    this.#socket.unmute();
  }

  begun(pid: number | undefined): void {
    if (pid !== undefined) this.#awaited.add(pid);
    this.#restIfNobodyStarts();
  }

  evidenceOf(pid: number): 'yes' | 'no' {
    for (const { session, ready } of this.#socket.receive()) {
      if (ready && session !== undefined && this.#awaited.delete(session)) this.#ready.add(session);
    }
    this.#restIfNobodyStarts();
    return this.#ready.has(pid) ? 'yes' : 'no';
  }

  reaped(pid: number): void {
    this.#ready.delete(pid);
    if (this.#awaited.delete(pid)) this.#restIfNobodyStarts();
  }

  #restIfNobodyStarts(): void {
    if (this.#awaited.size === 0) this.#socket.mute();
  }
}
