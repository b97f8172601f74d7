// Runs one pool, in the background or the foreground, to its end: puts it together from its parts and its features,
// and follows signals.
import { exitStatus } from '../core/errors.ts';
import { everyStep } from '../core/every-step.ts';
import { Life } from '../core/life.ts';
import { Roster } from '../core/pool/roster.ts';
import type { Outcome } from '../supervisor/outcome.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { systemClock } from '../sys/process/clock.ts';
import { tellFront, type Front } from '../sys/process/front.ts';
import { libc } from '../sys/libc/libc.ts';
import { adoptOrphans, dropProcessName, forbidInspection } from '../sys/process/process-self.ts';
import { reapRest, watchChildren } from '../sys/process/reaper.ts';
import { SessionFreezer } from '../sys/session/session-freeze.ts';
import { ControlDesk } from '../features/control/control-desk.ts';
import { PoolView } from '../features/control/pool-view.ts';
import { reportFailure } from '../start/report/failure-report.ts';
import { EventStream } from '../features/event-stream.ts';
import { FeatureList } from '../features/feature-list.ts';
import { guardFeatures } from '../features/guards/guard-features.ts';
import { WorkerScaling } from '../features/guards/worker-scaling.ts';
import { HandoverCommand } from '../features/handover/handover-command.ts';
import { reasonOf } from '../start/report/manager-report.ts';
import { printedErrors } from '../start/report/print.ts';
import { PoolCounts } from '../features/pool-counts.ts';
import { PoolLog } from '../features/pool-log.ts';
import { PoolMachine } from './pool-machine.ts';
import { poolOutput } from '../features/output/pool-output.ts';
import { PoolRecords } from '../features/records/pool-records.ts';
import { goOnWith } from './go-on-with.ts';
import { PoolStart } from './pool-start.ts';
import type { PreparedPool } from '../start/prepared-pool.ts';
import { ReachCheck } from '../features/shared-socket/reach-check.ts';
import { notifyDescriptor } from '../features/service-manager/notify-descriptor.ts';
import { ServiceManager } from '../features/service-manager/service-manager.ts';
import { ReadyNotices } from '../features/ready-notices.ts';
import { SocketRenewal } from '../features/shared-socket/socket-renewal.ts';
import { TryCommand } from '../features/trial/try-command.ts';
import { statusSocketOf } from '../features/status-socket/status-socket.ts';
import { tidying } from './tidying.ts';
import { workerFeatures } from './worker-features.ts';
import { watchSignals } from '../start/watch-signals.ts';

/** A killed process is a zombie within less; a daemon that a worker has made stays. */
const lastReapMs = 20;

/** Runs the pool; ends the process by itself when the pool has ended. */
export function runSupervised(
  prepared: PreparedPool,
  front: Front | undefined,
  interruption: string | undefined,
): void {
  new SupervisedRun(goOnWith(prepared), front).begin(interruption);
}

class SupervisedRun {
  readonly #prepared: PreparedPool;
  readonly #life = new Life();
  readonly #features: FeatureList;
  readonly #log: PoolLog;
  readonly #machine: PoolMachine;
  readonly #supervisor: Supervisor;
  readonly #start: PoolStart;
  readonly #renewal: SocketRenewal;
  readonly #scaling: WorkerScaling;
  /** Undefined: there is none. */
  readonly #manager: ServiceManager | undefined;
  /** Of the first worker, if it could not be started. */
  #startErrno = 0;

  constructor(prepared: PreparedPool, front: Front | undefined) {
    const { config, proc, socket } = prepared;
    const features = new FeatureList((error) => this.#start.survive(error));
    const log = new PoolLog({ prepared, features, clock: systemClock });
    const life = this.#life;
    const warn = (message: string): void => log.write({ event: 'warning', message });
    const records = new PoolRecords(prepared, {
      life,
      memories: () => features.memories(),
      isSocketKept: () => this.#manager?.keepsSocket ?? false,
      warn,
    });
    const freezer = new SessionFreezer(proc, socket, config.keepaliveQuietMs);
    const reach = new ReachCheck(prepared);
    const roster = new Roster();
    const parts = { prepared, life, roster, features, log, records, freezer, reach };
    this.#prepared = prepared;
    this.#features = features;
    this.#log = log;
    // The machine asks them what workers are to get.
    features.add(...workerFeatures(config));
    if (config.ready === 'notify') features.add(new ReadyNotices(proc));
    this.#machine = new PoolMachine(parts);
    this.#supervisor = new Supervisor(this.#machine, this.#machine.settings, this.#outcome(), {
      life,
      roster,
    });
    const running = { ...parts, machine: this.#machine, supervisor: this.#supervisor };
    this.#start = new PoolStart({ ...running, front, finish: (status) => this.#finish(status) });
    const onRenewed = (): void => this.#supervisor.spares?.discard();
    this.#renewal = new SocketRenewal({ ...parts, onRenewed });
    const { manager, notifyDescriptor: toNotify } = prepared;
    this.#manager = manager && new ServiceManager({ ...running, manager, clock: systemClock });
    const { signalName, describeErrno } = this.#machine;
    const scaling = new WorkerScaling({
      config,
      supervisor: this.#supervisor,
      log,
      nowMs: () => systemClock.nowMs(),
      wake: () => guards.wake(),
    });
    this.#scaling = scaling;
    const view = new PoolView({ ...running, signalName, describeErrno });
    const desk = new ControlDesk({
      ...running,
      scaling,
      view,
      renewal: this.#renewal,
      signalName,
      describeErrno,
    });
    const handover = new HandoverCommand({ ...running, desk });
    const events = new EventStream({ name: config.name, address: prepared.address, pid: process.pid });
    const refuse = (reason: string, hints: readonly string[]): void =>
      this.#start.abandon(reason, exitStatus.refused, hints);
    const output = poolOutput({ prepared, log, clock: systemClock, signalName, describeErrno, refuse });
    const trying = new TryCommand(running);
    features.add(output, log, events, this.#start.takeOver, new PoolCounts(), view, desk, handover, trying);
    if (this.#manager) features.add(this.#manager);
    features.add(...statusSocketOf(prepared, { view, features, log, spawner: this.#machine.spawner }));
    if (toNotify !== undefined) features.add(notifyDescriptor(toNotify));
    const { guards, all } = guardFeatures({ ...running, machine: this.#machine }, scaling);
    features.add(...all);
    features.add(records, tidying(proc));
  }

  /** With an interruption no worker is started: only what is there already is ended. */
  begin(interruption: string | undefined): void {
    const { config, journal, socket } = this.#prepared;
    forbidInspection();
    adoptOrphans();
    journal.inherited(socket.inode);
    this.#start.takeOver.begin();
    this.#features.live('beginning');
    watchChildren(
      (pid, exit) => {
        this.#machine.reaped(pid, exit);
        this.#supervisor.childEnded(pid, exit);
      },
      this.#supervisor.spares && (() => this.#supervisor.spares?.lookAgain()),
    );
    watchSignals({
      stop: (signal) => this.#stop(signal),
      reload: () => this.#reload(),
      reopen: () => this.#features.reopen(),
      scale: (difference) => this.#scale(difference),
      ignored: (signal) => this.#log.write({ event: 'signal-ignored', signal }),
      hangupStops: config.model === 'foreground' && libc.isatty(0) === 1,
    });
    // Instead of the one that ends a start.
    process
      .removeAllListeners('uncaughtException')
      .on('uncaughtException', (error) => this.#start.survive(error));
    this.#start.begin(interruption);
    // Signals and children alone do not keep Node's loop alive.
    setInterval(() => undefined, 2 ** 31 - 1);
  }

  #outcome(): Outcome {
    return {
      stopping: () => this.#features.live('stopping', this.#life.wasUp),
      up: (firstEnds) => this.#start.workersUp(firstEnds),
      startFailed: (firstEnds) => {
        const [first] = firstEnds;
        if (first?.kind === 'not-executed') this.#startErrno = first.errno;
        this.#start.fail(firstEnds);
      },
      stopped: (status) => this.#end(status),
    };
  }

  #stop(signal: NodeJS.Signals): void {
    if (this.#life.wasUp) this.#supervisor.stop(signal);
    else this.#start.interrupt(`start interrupted by ${signal}`, signal);
  }

  /** By a signal: nobody could be told that it is of no use, and the release is the new one when the pool is taken over. */
  #reload(): void {
    this.#manager?.reloadAsked();
    const isOurs = this.#supervisor.phase === 'serving' && this.#supervisor.pool.operation !== 'handover';
    const unendable = isOurs ? this.#supervisor.unendable : undefined;
    if (unendable !== undefined) {
      this.#log.write({ event: 'warning', message: `not reloaded: ${unendable}` });
      return this.#manager?.reloaded(unendable);
    }
    const problem = isOurs ? this.#renewal.renew() : undefined;
    if (problem !== undefined) this.#log.write({ event: 'warning', message: problem });
    this.#supervisor.reload();
  }

  #scale(difference: number): void {
    const problem = this.#scaling.move(difference);
    if (problem !== undefined) this.#log.write({ event: 'warning', message: `not scaled: ${problem}` });
  }

  #end(status: number): void {
    if (!this.#life.wasUp) return this.#start.conclude(status);
    this.#features.live('release', true);
    try {
      this.#features.farewell(() => this.#finish(status));
    } catch {
      this.#finish(status);
    }
  }

  #finish(status: number): void {
    const { model, name } = this.#prepared.config;
    const { wasUp } = this.#life;
    everyStep(
      () => undefined,
      () => wasUp || this.#manager?.startFailed(status, this.#startErrno, reasonOf(printedErrors())),
      dropProcessName,
      () => reapRest(lastReapMs),
    );
    if (model === 'background' && !wasUp) {
      reportFailure(name);
      tellFront(status);
    }
    process.exit(status);
  }
}
