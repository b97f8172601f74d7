// The end of workers whose request is stuck: their sessions are killed, and their slots are filled again at once.
import type { Context } from '../context.ts';
import type { WorkerEnds } from './worker-ends.ts';

export class StuckEnds {
  readonly #context: Context;
  readonly #ends: Pick<WorkerEnds, 'leave'>;

  constructor(context: Context, ends: Pick<WorkerEnds, 'leave'>) {
    this.#context = context;
    this.#ends = ends;
  }

  /** The worker may end at any moment, since it gets its stuck signal, or a process of it is killed. */
  expect(pid: number): void {
    this.#context.roster.setStuck(pid, true);
  }

  /** It lives on: what ends it later has another cause. */
  recovered(pid: number): void {
    this.#context.roster.setStuck(pid, false);
  }

  /** With all of its session. The result: its PID, if it may not be signalled. */
  kill(pid: number): readonly number[] {
    if (!this.#context.roster.get(pid)) return [];
    this.expect(pid);
    return this.#context.machine.sessions.signalWorkers([pid], 'SIGKILL');
  }

  /** It does not even end on KILL: its slot gets another worker without that. */
  leave(pid: number): void {
    this.#context.warn(`worker PID ${pid} does not even end on KILL`);
    this.#ends.leave([pid], 'stuck');
  }
}
