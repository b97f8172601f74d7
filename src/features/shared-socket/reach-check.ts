// Whether clients reach the pool, for those who ask: spawn-fcgictl ping and status, and whoever wants new workers. Nothing is
// looked at while nobody asks.
import { acceptQueue } from '../../sys/socket-state/accept-queue.ts';
import type { PoolSummary } from '../../control/protocol.ts';
import { standingOf } from '../../sys/socket/socket-file.ts';
import { statAt } from '../../sys/path/file-at.ts';
import { describeReach, obstacleOf, reachOf, Visit, type Reach } from '../../sys/socket-state/reach.ts';
import type { Goal } from '../../sys/socket-state/arrival.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';

const lookMs = 10;
const anybodyMayWrite = 0o222;

export class ReachCheck {
  readonly #goal: Goal;

  constructor({ socket, clientPath }: Pick<PreparedPool, 'socket' | 'clientPath'>) {
    this.#goal = { socket, path: clientPath };
  }

  /** Why nobody can, as far as that shows without a connection; the end of a sentence. */
  obstacle(): string | undefined {
    const obstacle = this.#obstacle();
    return obstacle && describeReach(obstacle);
  }

  /** For those who look at the pool: its queue, its file, and whether clients reach it. */
  describe(): Pick<PoolSummary, 'queue' | 'socketFile' | 'unreachable'> {
    const { socket } = this.#goal;
    return {
      queue: acceptQueue(socket) ?? null,
      socketFile: socket.file ? standingOf(socket.file) : null,
      unreachable: this.obstacle() ?? null,
    };
  }

  /** With a connection, at once; half a second where nothing comes back. */
  reach(): Reach {
    return this.#obstacle() ?? reachOf(this.#goal);
  }

  #obstacle(): Reach | undefined {
    return this.isFileClosed ? { kind: 'file-closed' } : obstacleOf(this.#goal);
  }

  /** The same as a sentence's end, without keeping anything else waiting. Where others wait in the queue nobody is added to them. */
  ask(done: (problem: string | undefined) => void): void {
    const obstacle = this.obstacle();
    if (obstacle !== undefined || (acceptQueue(this.#goal.socket)?.length ?? 0) > 0) return done(obstacle);
    const visit = new Visit(this.#goal);
    const look = (): void => {
      const result = visit.look();
      if (!result) return void setTimeout(look, lookMs);
      visit.end();
      done(describeReach(result));
    };
    look();
  }

  /** Its owner, a worker's user mostly, may have taken everybody's right to connect. */
  get isFileClosed(): boolean {
    const { file } = this.#goal.socket;
    const facts = file && statAt(file.at.directory, file.at.name);
    return facts !== undefined && facts.identity === file?.identity && (facts.mode & anybodyMayWrite) === 0;
  }
}
