// What the pool tells others in files: its PID, its workers' PIDs, its state.
import type { Feature } from '../feature.ts';
import type { Life } from '../../core/life.ts';
import type { PoolState, WorkerRecord } from '../../core/pool-state.ts';
import { everyStep } from '../../core/every-step.ts';
import { removeIfSame } from '../../sys/path/file-at.ts';
import { libc } from '../../sys/libc/libc.ts';
import { SocketDoor } from '../../sys/socket/socket-door.ts';
import type { PoolGiver } from '../../start/source/pool-giver.ts';
import { PoolPidFiles } from './pool-pid-files.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';

export interface RecordsOptions {
  readonly life: Pick<Life, 'toldPhase'>;
  /** What features remember. */
  readonly memories: () => PoolState['memories'];
  /** Whether the socket lives on when the pool has ended: clients may wait in its queue for the next start. */
  readonly isSocketKept: () => boolean;
  /** Hears of files that cannot be written: none of that may reach the supervisor. */
  readonly warn: (message: string) => void;
}

export class PoolRecords implements Feature {
  readonly door: SocketDoor;
  readonly #prepared: PreparedPool;
  readonly #options: RecordsOptions;
  readonly #startTime: string;
  readonly #pidNamespace: string | undefined;
  readonly #pidFilePath: string | undefined;
  /** Every live worker, by PID. */
  readonly #workers = new Map<number, WorkerRecord>();
  readonly #pidFiles: PoolPidFiles;
  #isWriteDue = false;
  /** Nothing is written: the files are, or may be, another supervisor's. */
  #isSilent = false;
  #trialSocket: string | undefined;
  /** Must know each worker of ours, for the case that we die. */
  #giver: PoolGiver | undefined;

  constructor(prepared: PreparedPool, options: RecordsOptions) {
    const { warn } = options;
    this.#prepared = prepared;
    this.#options = options;
    this.door = new SocketDoor(prepared.socket, prepared.proc?.descriptor);
    this.#pidFiles = new PoolPidFiles({ prepared, isSilent: () => this.#isSilent, warn });
    this.#startTime = prepared.proc?.stat(process.pid)?.startTime ?? '';
    this.#pidNamespace = prepared.proc?.pidNamespace;
    this.#pidFilePath = prepared.config.pidFile === undefined ? undefined : prepared.pidFile?.absolutePath;
  }

  started(slot: number, pid: number, role: 'member' | 'candidate'): void {
    this.#workers.set(pid, { slot, pid, startTime: '' });
    if (role === 'member') this.#pidFiles.name(slot, pid);
    if (this.#giver) this.#giver.noteWorker(pid, this.#startTimeOf(pid));
    this.#writeSoon();
  }

  /** The pool is being taken over: nothing is written before its supervisor has let go. */
  awaitFiles(giver: PoolGiver): void {
    this.#isSilent = true;
    this.#giver = giver;
  }

  /** The old supervisor has let go: everything is said now. */
  takeFiles(): void {
    this.#giver = undefined;
    this.takeBack();
  }

  /** Device and inode of every PID file that is ours to write. */
  get fileIdentities(): string[] {
    return this.#pidFiles.all.map(({ identity }) => identity);
  }

  /** The socket of a worker on trial, before there is one; undefined: there is none any more. */
  tryingOn(socketInode: string | undefined): void {
    this.#trialSocket = socketInode;
    if (socketInode !== undefined) this.#giver?.noteSocket(socketInode);
    if (socketInode === undefined) this.#writeSoon();
    else this.#write();
  }

  promoted(slot: number, pid: number): void {
    this.#pidFiles.name(slot, pid);
  }

  ended(slot: number, pid: number): void {
    this.#workers.delete(pid);
    this.#pidFiles.ended(slot, pid);
    this.#writeSoon();
  }

  /** The next start must know of it, too. */
  spareStarted(pid: number): void {
    this.#workers.set(pid, { pid, startTime: '' });
    this.#writeSoon();
  }

  spareEnded(pid: number): void {
    this.#workers.delete(pid);
    this.#writeSoon();
  }

  /** Workers of another supervisor that are still there: the next start must know of them, too. */
  adopted(workers: readonly WorkerRecord[]): void {
    for (const worker of workers) this.#workers.set(worker.pid, worker);
    this.#writeSoon();
  }

  adoptedEnded(pid: number): void {
    this.#workers.delete(pid);
    this.#writeSoon();
  }

  beginning(): void {
    this.#write();
  }

  up(): void {
    this.#write();
  }

  /** Nobody new is let in, but in a start that is undone, where others may serve on. */
  stopping(wasUp: boolean): void {
    // At once: the next start on the address looks for "stopping".
    this.#write();
    // One that is, or may be, another supervisor's is left alone.
    if (wasUp && !this.#isSilent && !this.#options.isSocketKept()) this.door.shut();
  }

  /** The socket was bound anew: workers that were started on the one before must still be found. */
  renewed(): void {
    this.#write();
  }

  /** The files are another supervisor's until further notice. */
  silence(): void {
    this.#isSilent = true;
  }

  /** The other supervisor did not take them: they say again what is. */
  takeBack(): void {
    this.#isSilent = false;
    this.#prepared.files?.state.forget();
    this.#pidFiles.writeAll();
    this.#write();
  }

  /** Somebody else may have written the files. */
  repeat(): void {
    if (!this.#isSilent) this.takeBack();
  }

  /**
   * Every file but those that the new supervisor has open is removed; nothing is touched any more. The
   * listening socket stays open: by its name we tell which connections our workers have accepted.
   */
  handOver(taken: readonly string[]): void {
    this.#isSilent = true;
    for (const file of this.#pidFiles.all) if (!taken.includes(file.identity)) file.release();
    this.#prepared.files?.abandon();
  }

  /** At a clean end: socket file, PID files, state and lock are removed as far as we may. */
  release(): void {
    if (this.#isSilent) return;
    const { socket, files } = this.#prepared;
    const file = this.#options.isSocketKept() ? undefined : socket.file;
    everyStep(
      ({ message }) => this.#options.warn(`not everything was given back: ${message}`),
      () => file && !socket.given && !this.door.isFileGone && removeIfSame(file.at, file.identity),
      // Before the lock is free: the start that waits for it binds at once.
      () => libc.close(socket.descriptor),
      () => this.door.leave(),
      ...this.#pidFiles.all.map((one) => () => one.release()),
      () => files?.release(),
    );
  }

  /** After a failed start: no worker is left to name. PID files are the journal's. */
  undo(): void {
    if (this.#isSilent) return;
    const { files, orphans, unsupervised } = this.#prepared;
    const state = this.#state(orphans);
    // Who has that socket serves on without us, and the next start must not take them for ours.
    files?.state.write(unsupervised ? { ...state, sockets: [] } : state);
  }

  /**
   * Many workers change at once: one write for all of them. A PID file names nobody only if no
   * successor was named meanwhile.
   */
  #writeSoon(): void {
    if (this.#isWriteDue) return;
    this.#isWriteDue = true;
    setImmediate(() => {
      this.#isWriteDue = false;
      this.#pidFiles.nameNobody();
      this.#write();
    });
  }

  #write(): void {
    if (this.#isSilent) return;
    this.#prepared.files?.state.write(this.#state(this.workers()));
  }

  /** All live workers; start times are looked up once, when somebody asks. */
  workers(): WorkerRecord[] {
    for (const [pid, record] of this.#workers) {
      if (record.startTime === '') this.#workers.set(pid, { ...record, startTime: this.#startTimeOf(pid) });
    }
    return [...this.#workers.values()];
  }

  #startTimeOf(pid: number): string {
    return this.#prepared.proc?.stat(pid)?.startTime ?? '';
  }

  #state(workers: readonly WorkerRecord[]): PoolState {
    const { config, socket } = this.#prepared;
    return {
      version: 1,
      phase: this.#options.life.toldPhase,
      name: config.name,
      address: this.#prepared.address,
      pid: process.pid,
      startTime: this.#startTime,
      sockets: [socket.inode, this.#trialSocket, socket.formerInode].filter((inode) => inode !== undefined),
      socketFile: socket.file?.identity,
      given: socket.given?.label,
      pidNamespace: this.#pidNamespace,
      workerUid: this.#prepared.identity.uid || (process.getuid?.() ?? 0),
      control: this.#prepared.files?.controlName,
      stopTimeoutMs: config.stopTimeoutMs,
      stopMethod: config.stopMethod,
      pidFile: this.#pidFilePath,
      workerPidFile: this.#prepared.workerPidPattern,
      workers,
      memories: this.#options.memories(),
    };
  }
}
