// The end of the workers of a supervisor that was killed, as that would have ended them.
import type { AdoptedSessions, EventLog } from '../core/machine.ts';
import { SpawnFcgiError } from '../core/errors.ts';
import type { PoolState, WorkerRecord } from '../core/pool-state.ts';
import type { ProcFs } from '../sys/proc/proc-fs.ts';
import type { ListenSocket } from '../sys/socket/listen-socket.ts';
import type { SocketDoor } from '../sys/socket/socket-door.ts';
import { ctlStatus } from './statuses.ts';
import { describeEvent } from '../core/text/event-text.ts';
import { Roster } from '../core/pool/roster.ts';
import { AdoptedWorkers } from '../supervisor/ending/adopted-workers.ts';
import { EndedSessions } from '../supervisor/ending/ended-sessions.ts';
import { acceptQueue } from '../sys/socket-state/accept-queue.ts';
import { systemClock } from '../sys/process/clock.ts';
import { SessionLeftovers } from '../sys/session/leftovers.ts';
import { SessionFreezer } from '../sys/session/session-freeze.ts';
import { adoptedSessions } from '../sys/session/adopted-sessions.ts';

export interface EndOptions {
  readonly timeoutMs: number | undefined;
  readonly tell: (text: string) => void;
}

const lookMs = 20;
/** From the last TERM to KILL for a worker that never was idle. */
const lastTermMs = 1000;
/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const defaultMethod = 'auto';

export interface Entrance {
  readonly socket: ListenSocket;
  readonly door: SocketDoor;
}

/** One stop, as a supervisor does it. */
export class OrphansEnd {
  readonly #state: PoolState;
  readonly #sessions: AdoptedSessions;
  readonly #freezer: SessionFreezer;
  readonly #options: EndOptions;
  readonly #entrance: Entrance;
  readonly #endAtMs: number;

  constructor(state: PoolState, proc: ProcFs, entrance: Entrance, options: EndOptions) {
    this.#state = state;
    this.#entrance = entrance;
    this.#freezer = new SessionFreezer(proc, entrance.socket);
    const left = new SessionLeftovers(proc, undefined, entrance.socket);
    this.#sessions = adoptedSessions(proc, this.#freezer, left);
    this.#options = options;
    this.#endAtMs = systemClock.nowMs() + state.stopTimeoutMs;
  }

  /** Throws when somebody is left, or on a signal to us. */
  async end(orphans: readonly WorkerRecord[]): Promise<void> {
    const { timeoutMs } = this.#options;
    // A supervisor that died while it looked at a worker may have left it stopped.
    for (const { pid, session = pid } of orphans) this.#freezer.thaw(session);
    const ended = new EndedSessions(this.#sessions);
    const refused = new Set<number>();
    const workers = this.#askToEnd(orphans, ended, refused);
    const limitMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : systemClock.nowMs() + timeoutMs;
    const interruption = watchInterruption();
    for (;;) {
      const nowMs = systemClock.nowMs();
      // What a worker leaves of its session has until the same deadline.
      const look = ended.signal(nowMs < this.#endAtMs ? 'SIGTERM' : 'SIGKILL');
      const left = [...workers.pids, ...look.members.map(({ pid }) => pid)];
      if (left.length === 0 && look.isCertain) return;
      if (interruption.signal) throw describeLeft(left, `interrupted by ${interruption.signal}`, 1);
      if (nowMs >= limitMs) throw describeLeft(left, 'not ended within --timeout', ctlStatus.noAnswer);
      if (left.length > 0 && left.every((pid) => refused.has(pid)))
        throw describeLeft(left, 'Operation not permitted', 1);
      if (nowMs >= this.#endAtMs + afterKillMs) throw describeLeft(left, 'not even ended by KILL', 1);
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }

  #askToEnd(orphans: readonly WorkerRecord[], ended: EndedSessions, refused: Set<number>): AdoptedWorkers {
    const { stopTimeoutMs, stopMethod = defaultMethod } = this.#state;
    const { tell } = this.#options;
    const log: EventLog = { write: (event) => tell(describeEvent(event)), reopen: () => undefined };
    const workers = new AdoptedWorkers(
      {
        clock: systemClock,
        sessions: this.#sessions,
        roster: new Roster(),
        log,
        method: stopMethod,
        queued: () => this.#queued(),
        onLeft: (pid, why) => void (why === 'refused' && refused.add(pid)),
      },
      (pid) => ended.add(pid),
    );
    workers.end(orphans, {
      termAtMs: this.#endAtMs - Math.min(lastTermMs, stopTimeoutMs / 2),
      killAtMs: this.#endAtMs,
      isReplaced: false,
    });
    return workers;
  }

  /** Who waits to be accepted, where nobody else can come. */
  #queued(): number | undefined {
    const { socket, door } = this.#entrance;
    return door.isShut ? acceptQueue(socket)?.length : undefined;
  }
}

/** A worker that is stopped for a look goes on before JavaScript hears of a signal. */
function watchInterruption(): { readonly signal: NodeJS.Signals | undefined } {
  const interruption: { signal: NodeJS.Signals | undefined } = { signal: undefined };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => (interruption.signal = signal));
  return interruption;
}

function describeLeft(pids: readonly number[], why: string, exitCode: number): SpawnFcgiError {
  const who = pids.length > 0 ? `PID ${pids.join(' ')}` : 'somebody who cannot be seen';
  return new SpawnFcgiError(`${why}: ${who} still there, and the files of the pool`, { exitCode });
}
