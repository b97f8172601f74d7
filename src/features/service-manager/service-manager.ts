// What a service manager is told of the pool (sd_notify(3), docs/systemd.md): that it is up, reloads, ends, and how it is;
// and who its main process is.
import { asStatus } from '../../core/text/status-text.ts';
import { plural } from '../../core/text/amount-text.ts';
import type { PoolEvent } from '../../core/text/pool-event.ts';
import type { Clock } from '../../core/machine.ts';
import type { Life } from '../../core/life.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import { libc } from '../../sys/libc/libc.ts';
import { acceptQueue } from '../../sys/socket-state/accept-queue.ts';
import type { SessionFreezer } from '../../sys/session/session-freeze.ts';
import type { Gift } from '../../start/source/handover-lines.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import { managerFeature, type Manager, type ManagerGift } from '../../start/steps/open-manager.ts';
import type { Feature } from '../feature.ts';
import { MainProcess } from './main-process.ts';
import { ManagerLine } from './manager-line.ts';
import { describePool } from './pool-text.ts';
import { SocketStore } from './socket-store.ts';
import { StatusLine, type StatusLook } from './status-line.ts';
import { beat } from './watchdog.ts';

export interface ServiceManagerOptions {
  readonly manager: Manager;
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly freezer: SessionFreezer;
  readonly life: Pick<Life, 'ending' | 'wasUp'>;
  readonly clock: Clock;
}

/** What a step may take beyond what its option allows. */
const marginMs = 5000;
/** The command's success and a manager's patience both hang on the first word. */
const firstWordMs = 2000;
/** How often a taker looks whether the old supervisor is gone. */
const lookMs = 50;

export class ServiceManager implements Feature {
  readonly name = managerFeature;
  readonly #options: ServiceManagerOptions;
  readonly #line: ManagerLine;
  readonly #status: StatusLine;
  readonly #store: SocketStore | undefined;
  readonly #mainProcess: MainProcess;
  #endBeat: () => void = () => undefined;
  /** The pool is another supervisor's, who speaks for the unit. */
  #isSilent = false;
  /** RELOADING=1 was said, and READY=1 is awaited. */
  #isReloading = false;

  constructor(options: ServiceManagerOptions) {
    const { manager, prepared, clock } = options;
    this.#options = options;
    this.#line = new ManagerLine(manager.socket, clock);
    this.#status = new StatusLine({
      look: () => this.#look(),
      tell: (text) => this.#say({ isPassing: true }, `STATUS=${text}`),
      clock,
    });
    if (manager.keepsDescriptors && !prepared.socket.given)
      this.#store = new SocketStore(this.#line, prepared.socket, manager.isGivers && prepared.isTakingOver);
    this.#mainProcess = new MainProcess({
      proc: prepared.proc,
      clock,
      tell: (pid) => this.#line.tell({ lines: [`MAINPID=${pid}`] }),
    });
  }

  /** The socket lives on when the pool ends, for the next start. */
  get keepsSocket(): boolean {
    return this.#store?.isKept ?? false;
  }

  gives(): Pick<Gift, 'descriptors' | 'data'> {
    const { socket, watchdogUsec, keepsDescriptors } = this.#options.manager;
    const data: ManagerGift = { name: socket.name, watchdogUsec, keepsDescriptors };
    return { descriptors: [socket.descriptor], data };
  }

  /** It was looked at in time, while this process still had its rights. */
  takes({ descriptors }: Gift): void {
    const { socket } = this.#options.manager;
    for (const descriptor of descriptors) if (descriptor !== socket.descriptor) libc.close(descriptor);
  }

  beginning(): void {
    // Of a running unit: the old supervisor speaks for it.
    if (this.#options.manager.isGivers) return;
    const { workers, readyTimeoutMs } = this.#options.prepared.config;
    this.#say({}, extension(readyTimeoutMs), `STATUS=starting ${plural(workers, 'worker')}`);
  }

  up(): void {
    const { manager, prepared } = this.#options;
    if (!manager.isGift) this.#announce();
    if (manager.isGivers && prepared.giver) this.#whenGiverIsGone(() => this.#announce());
    if (manager.watchdogUsec !== undefined)
      this.#endBeat = beat(manager.watchdogUsec, () => this.#say({ isPassing: true }, 'WATCHDOG=1'));
    // Who waits for the start of a unit may be told of success no later than its manager.
    this.#line.settle(firstWordMs);
  }

  happened(): void {
    if (this.#options.life.wasUp && !this.#isSilent) this.#status.soon();
  }

  said(event: PoolEvent): void {
    switch (event.event) {
      case 'reload-started':
        return this.#isReloading ? undefined : this.#reloading();
      case 'worker-replaced':
        return this.#isReloading ? this.#say({}, this.#stepExtension) : undefined;
      case 'reload-finished':
        // Who has asked once more meanwhile waits for that one.
        return this.#options.supervisor.pool.isReloadDue ? undefined : this.reloaded();
      case 'socket-renewed':
        return this.#store?.keep();
      case 'handed-over':
        this.#isSilent = this.#mainProcess.handOver(event.to);
        return;
      default:
    }
  }

  /** HUP: systemd waits for a word that is younger than its signal (Type=notify-reload), whatever becomes of it. */
  reloadAsked(): void {
    if (!this.#options.life.ending) this.#reloading();
  }

  /** A reload is over, or there is none. */
  reloaded(refusal?: string): void {
    this.#isReloading = false;
    const status =
      refusal === undefined ? this.#status.now() : `STATUS=${asStatus(`not reloaded: ${refusal}`)}`;
    this.#say({}, 'READY=1', status);
  }

  stopping(wasUp: boolean): void {
    this.#status.end();
    const isOthers = !wasUp && this.#options.manager.isGivers;
    if (this.#isSilent || isOthers) return;
    const { stopTimeoutMs } = this.#options.prepared.config;
    if (!wasUp) return this.#say({}, extension(stopTimeoutMs));
    const { pids: all, spares } = this.#options.supervisor.roster;
    const pids = all.filter((pid) => !spares.some((spare) => spare.pid === pid));
    const left = `${plural(pids.length, 'worker')} left, ${this.#countBusy(pids)} busy`;
    this.#say({}, 'STOPPING=1', extension(stopTimeoutMs), `STATUS=stopping: ${left}`);
  }

  /** A start has failed: its status, the errno of an exec, and why. */
  startFailed(status: number, errno: number, reason: string): void {
    if (this.#options.manager.isGivers) return;
    const errors = [`EXIT_STATUS=${status}`, ...(errno > 0 ? [`ERRNO=${errno}`] : [])];
    this.#say({}, `STATUS=${reason}`, ...errors);
  }

  farewell(done: () => void): void {
    this.#mainProcess.whenTold(() => {
      this.#endBeat();
      done();
    });
  }

  /** The main process of a unit is what its manager has started, until somebody says another. */
  #announce(): void {
    const { config } = this.#options.prepared;
    this.#isReloading = false;
    const isCommands = config.model === 'background';
    this.#say({}, 'READY=1', ...(isCommands ? [`MAINPID=${process.pid}`] : []), this.#status.now());
    this.#store?.keep();
  }

  #reloading(): void {
    this.#isReloading = true;
    // CLOCK_MONOTONIC.
    const usec = process.hrtime.bigint() / 1000n;
    this.#say({}, 'RELOADING=1', `MONOTONIC_USEC=${usec}`, this.#stepExtension);
  }

  /** What replacing one worker may take. */
  get #stepExtension(): string {
    const { readyTimeoutMs, settleMs, stopTimeoutMs } = this.#options.prepared.config;
    return extension(readyTimeoutMs + settleMs + stopTimeoutMs);
  }

  /** Before that, systemd may hear the old supervisor alone (NotifyAccess=main, exec). */
  #whenGiverIsGone(then: () => void): void {
    const { prepared, clock, life } = this.#options;
    const { giver, proc } = prepared;
    if (life.ending) return;
    if (!giver || !proc?.isAlive(giver.state)) return then();
    clock.after(lookMs, () => this.#whenGiverIsGone(then));
  }

  #look(): StatusLook {
    const { supervisor, prepared } = this.#options;
    const { pool, lastReload } = supervisor;
    const pids = pool.slots.flatMap(({ state }) => (state.kind === 'running' ? [state.pid] : []));
    const text = describePool({
      wanted: pool.wanted,
      up: pids.length,
      busy: this.#countBusy(pids),
      waiting: acceptQueue(prepared.socket)?.length,
      operation: pool.operation,
      lastReload,
    });
    return { text, isPassing: pool.slots.some(({ state }) => state.kind === 'starting') };
  }

  /** As in status: who may not be looked into counts as busy. */
  #countBusy(pids: readonly number[]): number {
    const { freezer } = this.#options;
    const scan = freezer.scan(pids);
    return pids.filter((pid) => freezer.activity(pid, scan) !== 'idle').length;
  }

  #say(how: { readonly isPassing?: boolean }, ...lines: readonly string[]): void {
    this.#line.tell({ ...how, lines });
  }
}

/** How long nothing more may come, beyond what a unit's own TimeoutStartSec= and TimeoutStopSec= allow. */
function extension(ms: number): string {
  return `EXTEND_TIMEOUT_USEC=${(ms + marginMs) * 1000}`;
}
