// What the processes of a worker do with the connections that they have accepted: looked at as they run, and once more when
// they are stopped.
import {
  connectionsOf,
  isPlainlyRequest,
  type Connection,
  type ConnectionEnd,
} from '../proc/accepted-connection.ts';
import { awaitedConnections } from '../proc/awaited.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { processRests, processWaits } from '../proc/waiting.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import { inodesOf } from '../socket/socket-inodes.ts';
import type { KeptConnections, KeptFinds } from './kept-connections.ts';
import type { ServedConnection } from './release-chase.ts';

/** `kept`: it holds connections between two requests; `unknown`: it may not be looked at, or may be between two. */
export type Activity = 'idle' | 'kept' | 'busy' | 'unknown';

export interface Look {
  /** `unclear`: it waits for its client, which may be in the middle of a request. */
  readonly activity: Activity | 'unclear';
  /** Processes that have moved on, and hold connections that have ended, of this kind at most. */
  readonly forgetful: ReadonlyMap<number, ConnectionEnd>;
  readonly finds: KeptFinds;
  /** The one connection that the leader serves, where it can be followed to its end. */
  readonly served?: ServedConnection | undefined;
}

export const nothingHeld: Look = { activity: 'idle', forgetful: new Map(), finds: { kept: [], gaps: [] } };

export class WorkerLooks {
  readonly #proc: ProcFs | undefined;
  readonly #listening: ListenSocket;
  readonly #kept: KeptConnections | undefined;

  constructor(proc: ProcFs | undefined, listening: ListenSocket, kept: KeptConnections | undefined) {
    this.#proc = proc;
    this.#listening = listening;
    this.#kept = kept;
  }

  /** What processes that run do. */
  look(leader: number, pids: readonly number[]): Look {
    const forgetful = new Map<number, ConnectionEnd>();
    const finds: KeptFinds = { kept: [], gaps: [] };
    let activity: Look['activity'] = 'idle';
    for (const pid of pids) {
      const held = this.#held(pid);
      const verdict = this.#judge(leader, pid, held.open, finds);
      const hasMovedOn = held.end === undefined || this.#hasMovedOn(pid, held.end);
      if (verdict === 'busy' || !hasMovedOn) {
        const served = pid === leader ? servedOf(held) : undefined;
        return { activity: 'busy', forgetful, finds, served };
      }
      if (held.end !== undefined) forgetful.set(pid, held.end);
      activity = lessIdle(activity, held.isComplete ? verdict : 'unknown');
    }
    return { activity, forgetful, finds };
  }

  /** What they do now that they are stopped: `idle` if nothing has changed since the look. */
  confirm(pids: readonly number[], { forgetful, finds }: Look): 'idle' | 'busy' | 'unknown' {
    let answer: 'idle' | 'unknown' = 'idle';
    for (const pid of pids) {
      const { open, end, isComplete } = this.#held(pid);
      if (end !== undefined && forgetful.get(pid) !== end) return 'busy';
      for (const connection of open) {
        const before = finds.kept.find((one) => one.pid === pid && one.inode === connection.inode);
        if (!before || this.#kept?.isUntouched(before, connection) !== true) return 'busy';
      }
      if (!isComplete) answer = 'unknown';
    }
    return answer;
  }

  /** Of this one process. */
  awaitsClient(pid: number): boolean {
    const connections = new Set(this.#held(pid).open.map(({ inode }) => inode));
    if (!this.#proc || connections.size === 0) return false;
    const awaited = awaitedConnections(this.#proc, pid, { listening: this.#inodes, connections });
    return awaited !== undefined && awaited.size > 0;
  }

  #judge(leader: number, pid: number, open: readonly Connection[], finds: KeptFinds): Look['activity'] {
    if (open.length === 0) return 'idle';
    return this.#kept?.judge(leader, pid, open, this.#inodes, finds) ?? 'busy';
  }

  /** Of a process that holds nothing else than what is kept, and connections that have ended. */
  #hasMovedOn(pid: number, end: ConnectionEnd): boolean {
    if (end === 'closed') return this.waits(pid);
    return this.#proc !== undefined && processRests(this.#proc, pid, this.#inodes);
  }

  #held(pid: number): HeldConnections {
    return heldBy(this.#proc, pid, this.#listening);
  }

  get #inodes(): ReadonlySet<string> {
    return inodesOf(this.#listening);
  }

  waits(pid: number): boolean {
    return this.#proc !== undefined && processWaits(this.#proc, pid, this.#inodes) === 'yes';
  }
}

interface HeldConnections {
  /** The first that is plainly a request is the last one. */
  readonly open: readonly Connection[];
  /** The others, by what is least ended of them. */
  readonly end: ConnectionEnd | undefined;
  readonly isComplete: boolean;
}

function heldBy(proc: ProcFs | undefined, pid: number, listening: ListenSocket): HeldConnections {
  const open: Connection[] = [];
  let end: ConnectionEnd | undefined;
  if (!proc) return { open, end, isComplete: false };
  for (const found of connectionsOf(proc, pid, listening)) {
    if (found === 'unknown') return { open, end, isComplete: false };
    if (found.end === 'open') open.push(found);
    else if (end !== 'hung-up') end = found.end;
    if (isPlainlyRequest(found)) break;
  }
  return { open, end, isComplete: true };
}

function servedOf({ open, isComplete }: HeldConnections): ServedConnection | undefined {
  const [only, ...others] = open;
  if (!only?.traffic || only.traffic.isTimed || !isComplete || others.length > 0) return undefined;
  return { descriptor: only.traffic.descriptor, inode: only.inode, isTcp: only.traffic.tcp !== undefined };
}

const byIdleness: readonly Look['activity'][] = ['idle', 'kept', 'unclear', 'unknown', 'busy'];

function lessIdle(one: Look['activity'], other: Look['activity']): Look['activity'] {
  return byIdleness.indexOf(one) > byIdleness.indexOf(other) ? one : other;
}
