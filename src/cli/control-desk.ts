// Opens the control socket once the pool is up (its code is loaded only then: nobody
// waits for it), and answers those who still wait when the pool has ended.
import type { Config } from '../core/config.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import { systemClock } from '../sys/clock.ts';
import type { SessionFreezer } from '../sys/session-freeze.ts';
import { PoolActions } from './control-actions.ts';
import { describePool, summarizePool, type StatusSource } from './pool-status.ts';
import type { PreparedPool } from './prepare-pool.ts';
import { ControlServer } from '../control/server.ts';

export interface DeskOptions {
  readonly config: Config;
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly freezer: SessionFreezer;
  readonly stop: (reason: string) => void;
  readonly signalName: (signal: number) => string | undefined;
}

/** How long the last answers may take to leave us. */
const farewellMs = 50;

export class ControlDesk {
  readonly #options: DeskOptions;
  #actions: PoolActions | undefined;
  #server: ControlServer | undefined;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  open(): void {
    const { config, prepared, supervisor, freezer, stop, signalName } = this.#options;
    const descriptor = prepared.files?.control;
    if (descriptor === undefined) return;
    const source: StatusSource = {
      config,
      prepared,
      supervisor,
      freezer,
      signalName,
      command: prepared.commandLine,
      upAtMs: systemClock.nowMs(),
      nowMs: () => systemClock.nowMs(),
    };
    this.#actions = new PoolActions({
      supervisor,
      readyTimeoutMs: config.readyTimeoutMs,
      status: () => describePool(source),
      summary: () => summarizePool(source),
      stop,
      handOver: (_fields, client) =>
        client.answer({ ok: false, status: 1, error: 'failed', message: 'handover is not supported' }),
      nowMs: () => systemClock.nowMs(),
    });
    this.#server = new ControlServer(descriptor, this.#actions);
  }

  tell(text: string): void {
    this.#actions?.tell(text);
  }

  /** The pool has ended: those who wait are told, then `done`. */
  close(done: () => void): void {
    if (!this.#server) return done();
    this.#server.close();
    const isWaitedFor = this.#actions?.stopped() ?? false;
    if (isWaitedFor) systemClock.after(farewellMs, done);
    else done();
  }
}
