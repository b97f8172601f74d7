// The plug: what a capability of a pool may have a say in. Types only. A feature leaves out what it has no say in, and
// who composes a pool (src/run/run-supervised.ts) knows of it by a line in its list and nothing else.
import type { PoolEvent } from '../core/text/pool-event.ts';
import type { PoolStatus, WorkerStatus } from '../control/protocol.ts';
import type { Command } from '../control/server.ts';
import type { Gift } from '../start/source/handover-lines.ts';
import type { WorkerExit } from '../core/worker-exit.ts';

export type Variables = Readonly<Record<string, string>>;

/** Where a process of the pool's program starts. */
export interface ProcessPlace {
  /** Of a trial: the slot whose worker it stands in for. Of a spare it means nothing: what is by slot it cannot have. */
  readonly slot: number;
  /** `trial`: beside the pool, on a socket that nobody else can reach; `spare`: it is to have a slot later. */
  readonly role: 'worker' | 'trial' | 'spare';
}

/** Descriptors that become 1 and 2 of a worker; what is left out is what workers have anyway. */
export interface OutputStreams {
  readonly stdout?: number;
  readonly stderr?: number;
}

/** A process of the pool's program, in the pool or beside it (a trial, a second run). */
interface ProcessFeature {
  /** Variables of each of them, in the place of what the caller has by these names. Asked once. */
  readonly variables?: Variables;
  /** Variables of this one; asked before each start, so what is the same for all of them belongs above. */
  variablesOf?(place: ProcessPlace): Variables | undefined;
  /** Where this one's output goes; asked before each start. The descriptors stay the feature's. */
  streamsOf?(place: ProcessPlace): OutputStreams | undefined;
  /** Reads what a process here says from now on, where that can be read; undefined: not by this feature. */
  listenTo?(place: ProcessPlace): (() => string[]) | undefined;
  /** A generation's first one is about to be started: what is opened by its name is opened anew for it. Must not throw. */
  pinning?(): void;
  /** One is about to be started. */
  starting?(place: ProcessPlace): void;
  /** It was; undefined: it could not be. What fails is told, as nothing may hide a process. */
  begun?(pid: number | undefined, place: ProcessPlace): void;
  /** Whether it has said itself that it is ready; undefined: it is looked at from outside. */
  evidenceOf?(pid: number): 'yes' | 'no' | undefined;
  /** A child of ours is gone, whatever it was. */
  reaped?(pid: number, exit: WorkerExit): void;
}

/** Workers of the pool. Nothing that fails here may reach the supervisor. */
interface WorkerFeature {
  /** In a slot; a candidate is none of the pool's until it is promoted. */
  started?(slot: number, pid: number, role: 'member' | 'candidate'): void;
  promoted?(slot: number, pid: number): void;
  ended?(slot: number, pid: number): void;
  /** Beside the slots; one that gets a slot is `started` there. */
  spareStarted?(pid: number): void;
  /** It never had a slot. */
  spareEnded?(pid: number): void;
  /** A worker of another supervisor is gone. */
  adoptedEnded?(pid: number): void;
}

/** The life of the pool. What fails is told and keeps no other feature from its turn. */
interface LifeFeature {
  /** The first workers are about to start. */
  beginning?(): void;
  /** The start has succeeded; the command waits for its line still. */
  up?(): void;
  /** Nobody waits for the start any more: what takes time may begin. */
  serving?(): void;
  /** `wasUp`: else it is a start that is undone. */
  stopping?(wasUp: boolean): void;
  /** The start has failed, and no worker is left. */
  undo?(): void;
  /** Every process is gone: what is ours is given back. */
  release?(wasUp: boolean): void;
  /** The last thing: whoever waits for the end hears of it. Calls `done`, at once or later. */
  farewell?(done: () => void): void;
}

/** What is of use to the supervisor that comes after this one. */
interface HeirFeature {
  /** By it the next supervisor finds what is its own. */
  readonly name?: string;
  /** For the one that takes the pool over, which gets copies of the descriptors; undefined: nothing. */
  gives?(): Pick<Gift, 'descriptors' | 'data'> | undefined;
  /** Before our first worker: from the one that gives us its pool. The descriptors are ours, to close as well. */
  takes?(gift: Gift): void;
  /** The pool is another supervisor's now, with these files (device and inode); our workers end still. */
  handedOver?(taken: readonly string[]): void;
  /** Files that we have from the supervisor before, by device and inode: it leaves them. */
  holds?(): readonly string[];
  /** For the state file, should we be killed: what JSON can say. Start times of processes as `writeStartTime` puts them. */
  remembers?(): unknown;
  /** Before our first worker: what one that was killed remembered, or anybody has written there. */
  recalls?(memory: unknown): void;
}

/** What spawn-fcgictl asks for. */
interface ControlFeature {
  /** Commands of the control socket, by name. */
  readonly commands?: Readonly<Record<string, Command>>;
  /** Fields that are its own in the pool's status: optional ones, since a pool without it has none. */
  describe?(): Partial<PoolStatus>;
  /** The same of a worker; undefined: the slot has no process. */
  describeWorker?(slot: number, pid: number | undefined): Partial<WorkerStatus>;
}

/** What is told to people and programs. */
interface EventFeature {
  /** Something happened, also what the log only counts; without an event: somebody asked for something. */
  happened?(event?: PoolEvent): void;
  /** USR1: files are to be opened anew by their names. Must not throw. */
  reopen?(): void;
  /** The log has it, too. */
  said?(event: PoolEvent): void;
}

export interface Feature
  extends ProcessFeature, WorkerFeature, LifeFeature, HeirFeature, ControlFeature, EventFeature {}
