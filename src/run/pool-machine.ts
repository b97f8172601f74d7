// The machine that the supervisor of one pool works on, put together: processes, sockets, clock, log.
import { constants } from 'node:os';
import type { WorkerExit } from '../core/worker-exit.ts';
import type {
  EventLog,
  HolderLook,
  Machine,
  Readiness,
  SharedSocket,
  SocketHolders,
  Spawner,
  Trials,
  WorkerRecords,
} from '../core/machine.ts';
import type { Roster } from '../core/pool/roster.ts';
import type { PoolSettings } from '../supervisor/settings.ts';
import { systemClock } from '../sys/process/clock.ts';
import { Descendants } from '../sys/session/descendants.ts';
import { SessionLeftovers } from '../sys/session/leftovers.ts';
import { attempt, E, libc } from '../sys/libc/libc.ts';
import { Releases } from '../sys/path/release.ts';
import type { SessionFreezer } from '../sys/session/session-freeze.ts';
import { commandLineOf, workerEnvironment, type Streams } from '../sys/process/spawn-worker.ts';
import { StrayHolders } from '../sys/session/stray-holders.ts';
import { StopGuardProcess } from '../sys/session/stop-guard.ts';
import { readinessOf } from '../sys/proc/waiting.ts';
import { adoptedSessions } from '../sys/session/adopted-sessions.ts';
import { heldSessions } from '../sys/session/held-sessions.ts';
import { workerSessions } from '../sys/session/worker-sessions.ts';
import type { ProcessPlace } from '../features/feature.ts';
import type { FeatureList } from '../features/feature-list.ts';
import type { PoolRecords } from '../features/records/pool-records.ts';
import type { PreparedPool } from '../start/prepared-pool.ts';
import type { PrivateWorkerOptions } from '../features/trial/private-worker.ts';
import { SecondRun } from '../features/trial/second-run.ts';
import { SocketState } from '../features/shared-socket/socket-state.ts';
import { askWorker } from '../features/trial/ask-worker.ts';
import { TrialWorkers, type CommonTrialOptions } from '../features/trial/trial-worker.ts';
import { TryOut } from '../features/trial/try-out.ts';

export interface MachineParts {
  readonly prepared: PreparedPool;
  readonly roster: Roster;
  readonly features: FeatureList;
  readonly records: Pick<PoolRecords, 'door' | 'tryingOn'>;
  readonly freezer: SessionFreezer;
  readonly log: EventLog;
}

export class PoolMachine implements Machine {
  readonly clock = systemClock;
  readonly spawner: Spawner;
  readonly sessions: ReturnType<typeof workerSessions>;
  readonly adoptedSessions: ReturnType<typeof adoptedSessions>;
  readonly heldSessions: ReturnType<typeof heldSessions>;
  readonly socketHolders: SocketHolders;
  readonly readiness: Readiness;
  readonly trials: Trials;
  /** Of `spawn-fcgictl try`. */
  readonly tryOut: TryOut;
  readonly secondRun: SecondRun;
  readonly sharedSocket: SharedSocket;
  readonly stopGuard: StopGuardProcess;
  readonly log: EventLog;
  readonly records: WorkerRecords;
  readonly settings: PoolSettings;
  readonly signalName = signalName;
  readonly #parts: MachineParts;
  readonly #descendants: Descendants | undefined;

  constructor(parts: MachineParts) {
    const { prepared, features, records, freezer, log } = parts;
    const { config, journal, proc, socket } = prepared;
    this.#parts = parts;
    this.log = log;
    this.records = features;
    this.#descendants = proc && new Descendants(proc, journal.guardPid);
    const left = proc && new SessionLeftovers(proc, this.#descendants, socket);
    this.sessions = workerSessions(proc, freezer, left);
    this.adoptedSessions = adoptedSessions(proc, freezer, left);
    this.heldSessions = heldSessions(proc, freezer);
    this.socketHolders =
      proc && this.#descendants
        ? new StrayHolders(proc, this.#descendants, socket, (session) => left?.has(session) === true)
        : { amongOrphans: nobody, amongAll: nobody, spare: () => undefined };
    this.sharedSocket = new SocketState(socket, config.backlog, () => records.door.isShut);
    this.stopGuard = new StopGuardProcess(proc, prepared.nowhere, (message) =>
      log.write({ event: 'warning', message }),
    );
    this.readiness = {
      evidenceOf: (pid) => features.evidenceOf(pid) ?? readinessOf(proc, pid, socket),
      hasEnded: (pid) => proc?.stat(pid)?.state === 'Z',
    };
    const releases = this.#createReleases();
    this.spawner = {
      spawn: (generation, slot) =>
        features.start({ slot, role: 'worker' }, (own) => releases.spawn(generation, own)),
      spawnSpare: (generation) => features.start(unplaced, (own) => releases.spawn(generation, own)),
      pathOf: (generation) => releases.pathOf(generation),
      keepOnly: (generations) => releases.keepOnly(generations),
    };
    const beside = this.#besideThePool(releases);
    const common = this.#trialOptions(releases, beside);
    this.tryOut = new TryOut(common, (generation) => releases.drop(generation));
    this.trials = this.tryOut.before(this.#createTrials(common));
    this.secondRun = new SecondRun(beside);
    this.settings = settingsOf(prepared);
  }

  readonly maySignal = (pid: number): boolean => attempt(() => libc.kill(pid, 0)) !== -E.PERM;

  readonly membersOf = (leader: number): number[] =>
    this.#parts.prepared.proc?.sessionMembers(new Set([leader])).map(({ pid }) => pid) ?? [];

  readonly random = (): number => Math.random();

  readonly describeErrno = (errno: number): string => libc.strerror(errno);

  /** A child of ours is gone, whatever it was; to be told before anybody acts on it. */
  reaped(pid: number, exit: WorkerExit): void {
    this.#parts.features.reaped(pid, exit);
    this.#descendants?.childEnded(pid);
  }

  #createReleases(): Releases {
    const { prepared, features } = this.#parts;
    const { config, caller, journal, socket, directory, proc } = prepared;
    return new Releases({
      command: commandLineOf(config.program, caller),
      directory,
      environment: features.equip(workerEnvironment(caller.environment, config.phpChildren)),
      streams: { stdin: socket.descriptor, ...this.#outputs() },
      fileLimit: caller.fileLimit,
      attributes: prepared.allowed.attributes,
      oomScore: prepared.oomScore,
      onPin: () => features.pinning(),
      onSpawn: (pid) => {
        this.#descendants?.workerStarted(pid);
        journal.started(pid, proc);
      },
    });
  }

  /** Where workers' output goes if no feature says otherwise. */
  #outputs(): Pick<Streams, 'stdout' | 'stderr'> {
    const { config, nowhere } = this.#parts.prepared;
    return config.model === 'background' ? { stdout: nowhere, stderr: nowhere } : { stdout: 1, stderr: 2 };
  }

  /** Whether nobody reads what a process beside the pool would print as a worker. */
  readonly isOutputDiscarded = (): boolean => {
    const { features, prepared } = this.#parts;
    const { stdout, stderr } = { ...this.#outputs(), ...features.ownPartsOf(standIn) };
    return stdout === prepared.nowhere && stderr === prepared.nowhere;
  };

  #besideThePool(releases: Releases): PrivateWorkerOptions {
    const { prepared, roster, features, records } = this.#parts;
    const { proc, socket } = prepared;
    return {
      roster,
      spawnOn: (generation, streams) =>
        features.start(standIn, (own) => releases.spawn(generation, { ...own, ...streams })),
      poolSocket: socket,
      sessions: this.sessions,
      evidenceOn: (pid, own) =>
        features.evidenceOf(pid) ?? readinessOf(proc, pid, { ...own, file: undefined }),
      isOutputDiscarded: this.isOutputDiscarded,
      listen: () => features.listenTo(standIn),
      onSocket: (inode) => records.tryingOn(inode),
    };
  }

  #trialOptions(releases: Releases, beside: PrivateWorkerOptions): CommonTrialOptions {
    const { restart, settleMs, readyTimeoutMs } = this.#parts.prepared.config;
    return {
      ...beside,
      pathOf: (generation) => releases.pathOf(generation),
      describeErrno: libc.strerror,
      signalName,
      trialMs: Math.min(restart.minUptimeMs, settleMs),
      settleMs,
      timeoutMs: readyTimeoutMs,
      warn: (message) => this.log.write({ event: 'warning', message }),
    };
  }

  #createTrials(common: CommonTrialOptions): TrialWorkers {
    const asks = this.#parts.prepared.config.ready === 'probe';
    return new TrialWorkers({
      ...common,
      release: 'the new release',
      ask: asks ? (connection, done) => askWorker(connection, undefined, done) : undefined,
      isVital: asks,
    });
  }
}

/** A process beside the pool is as the first worker that a reload replaces. */
const standIn: ProcessPlace = { slot: 0, role: 'trial' };

/** Nothing that it gets is by slot. */
const unplaced: ProcessPlace = { slot: 0, role: 'spare' };

/** Where nobody can look. */
function nobody(): HolderLook {
  return { holders: [], isCertain: true };
}

/** What the command line says of how a pool is run. */
function settingsOf({ config, isTakingOver }: PreparedPool): PoolSettings {
  return {
    workers: config.workers,
    spares: config.spares,
    restart: config.restart,
    stopTimeoutMs: config.stopTimeoutMs,
    stopMethod: config.stopMethod,
    settleMs: config.settleMs,
    readyTimeoutMs: config.readyTimeoutMs,
    isNotified: config.ready === 'notify',
    isTriedFirst: true,
    isTakingOver,
  };
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
