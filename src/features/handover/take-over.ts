// The new supervisor's part of a takeover (docs/internals/handover.md): waits until its own workers
// are up, takes the files from the old supervisor, and sees to it that the old workers end.
import { exitStatus } from '../../core/errors.ts';
import type { Feature } from '../feature.ts';
import type { Life } from '../../core/life.ts';
import type { PoolState, WorkerRecord } from '../../core/pool-state.ts';
import type { EventOf } from '../../core/text/pool-event.ts';
import type { EventLog } from '../../core/machine.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import { systemClock } from '../../sys/process/clock.ts';
import type { SessionFreezer } from '../../sys/session/session-freeze.ts';
import { survivorsOf } from '../../sys/session/listening-sessions.ts';
import { sessionsHolding } from '../../sys/session/socket-holders.ts';
import type { PoolGiver } from '../../start/source/pool-giver.ts';
import type { FeatureList } from '../feature-list.ts';
import type { PoolRecords } from '../records/pool-records.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { StartVerdict } from '../../start/start-verdict.ts';

export interface TakeOverOptions {
  readonly prepared: PreparedPool;
  readonly records: PoolRecords;
  readonly features: Pick<FeatureList, 'take' | 'recall' | 'holds'>;
  readonly supervisor: Supervisor;
  readonly freezer: SessionFreezer;
  readonly log: EventLog;
  /** Before the old workers may end. */
  readonly leaveWorkers: () => void;
  readonly life: Pick<Life, 'state'>;
  readonly verdict: StartVerdict;
}

const lookMs = 200;
const lookDuringStartMs = 50;

export class TakeOver implements Feature {
  readonly #options: TakeOverOptions;
  /** HUP came to the old supervisor while it gave the pool to us. */
  #isReloadPending = false;
  /** An old supervisor that has handed over, and its workers, until it is gone. */
  #watched: { readonly giver: PoolState; readonly workers: readonly WorkerRecord[] } | undefined;

  constructor(options: TakeOverOptions) {
    this.#options = options;
  }

  /** Before our first worker starts. */
  begin(): void {
    const { prepared, records, freezer, features } = this.#options;
    const { giver, orphans, memories } = prepared;
    if (giver) records.awaitFiles(giver.connection);
    if (giver) features.take(giver.connection.gifts);
    else features.recall(memories);
    // A supervisor that died while it looked at a worker may have left it stopped.
    for (const { pid, session = pid } of orphans) freezer.thaw(session);
    records.adopted(orphans);
    if (giver) this.#heed(giver.connection);
  }

  /** Our workers are up: the old supervisor must let go. False: the start was abandoned. */
  takeFiles(): boolean {
    const { giver } = this.#options.prepared;
    if (!giver) return true;
    try {
      const { records, features } = this.#options;
      const taken = giver.connection.takeFiles([...records.fileIdentities, ...features.holds()]);
      if (taken.answer === 'stopping') this.#abandon('the pool was told to stop');
      else if (taken.answer === 'back') this.#abandonTakenBack();
      else if (taken.answer === 'yours') this.#isReloadPending = taken.pending.reload;
      return taken.answer === 'yours' || taken.answer === 'gone';
    } catch (error) {
      this.#abandon((error as Error).message);
      return false;
    }
  }

  /** The start has succeeded. False: the old supervisor has taken everything back. */
  finish(): boolean {
    const { prepared, records, log } = this.#options;
    const { giver } = prepared;
    if (!giver) return true;
    const { connection, state } = giver;
    if (connection.look() === 'back') return this.#abandonTakenBack();
    const old = prepared.files?.state.read()?.workers ?? state.workers;
    records.takeFiles();
    this.#options.leaveWorkers();
    // It may have taken all back between our look and our word; then it writes the files once more when we are gone.
    if (!connection.finish()) {
      records.silence();
      return this.#abandonTakenBack();
    }
    log.write({ event: 'taken-over', from: state.pid, workerPids: old.map(({ pid }) => pid) });
    this.#watched = { giver: state, workers: old };
    this.#watch();
    return true;
  }

  /** Workers of a supervisor that was killed. False: there are none. */
  endOrphans(): boolean {
    const { giver, orphans } = this.#options.prepared;
    if (giver || orphans.length === 0) return false;
    this.#endOthers(orphans, {});
    return true;
  }

  /** And whoever else of them holds the socket. */
  #endOthers(old: readonly WorkerRecord[], how: Pick<EventOf<'taken-over'>, 'unsupervised'>): void {
    const { prepared, supervisor, log } = this.#options;
    const { proc, socket, isTakingOver } = prepared;
    const known = new Set([...old.map(({ pid }) => pid), ...supervisor.roster.pids]);
    const inode = isTakingOver ? socket.inode : socket.formerInode;
    // One that was given others may have as descriptor 0 by right.
    const isOurs = socket.given === undefined;
    const others = isOurs && inode !== undefined && proc ? sessionsHolding(proc, inode, known) : [];
    const all = [...old.filter((worker) => proc?.isAlive(worker)), ...others];
    log.write({ event: 'taken-over', from: 0, workerPids: all.map(({ pid }) => pid), ...how });
    supervisor.endAdopted(all);
  }

  /** Workers that nobody has supervised are ours from now on: should we be killed, the next start ends them. */
  #endUnsupervised(): void {
    const { records, freezer, prepared } = this.#options;
    const { unsupervised, proc, socket, isTakingOver } = prepared;
    const inode = isTakingOver ? socket.inode : socket.formerInode;
    if (!unsupervised || !proc || inode === undefined) return;
    const workers = survivorsOf(proc, inode, unsupervised.workers);
    records.adopted(workers);
    // Somebody may have stopped one, which could not finish its request then.
    for (const { pid, session = pid } of workers) freezer.thaw(session);
    this.#endOthers(workers, { unsupervised: true });
  }

  serving(): void {
    this.endOrphans();
    this.#endUnsupervised();
    if (this.#isReloadPending) this.#options.supervisor.reload();
  }

  stopping(): void {
    this.#lookAtGiver();
  }

  /** The old supervisor ends its workers; should it die over that, we do. */
  #lookAtGiver(): void {
    const { proc } = this.#options.prepared;
    if (!this.#watched || proc?.isAlive(this.#watched.giver)) return;
    const left = this.#watched.workers.filter((worker) => proc?.isAlive(worker));
    this.#watched = undefined;
    // It may have died while it looked at one.
    for (const { pid } of left) this.#options.freezer.thaw(pid);
    this.#options.supervisor.endAdopted(left);
  }

  /** While our workers start, the pool may be told to stop, and its supervisor may lose patience with us. */
  #heed(giver: PoolGiver): void {
    systemClock.after(lookDuringStartMs, () => {
      const { kind } = this.#options.life.state;
      if (kind !== 'starting' && kind !== 'answering') return;
      const news = giver.look();
      if (news === 'stopping') this.#abandon('the pool was told to stop');
      else if (news === 'back') this.#abandonTakenBack();
      else this.#heed(giver);
    });
  }

  #watch(): void {
    this.#lookAtGiver();
    if (this.#watched) systemClock.after(lookMs, () => this.#watch());
  }

  #abandonTakenBack(): false {
    this.#abandon('the old supervisor took the pool back');
    return false;
  }

  #abandon(reason: string): void {
    this.#options.verdict.abandon(reason, exitStatus.refused);
  }
}
