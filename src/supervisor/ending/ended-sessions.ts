// What workers have left while the whole pool ends. A session is forgotten once a look has shown it empty: its number
// may be anybody's from then on.
import type { Leftovers, Sessions } from '../../core/machine.ts';

export class EndedSessions {
  readonly #sessions: Sessions;
  #leaders: readonly number[] = [];

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  get leaders(): readonly number[] {
    return this.#leaders;
  }

  /** Those that somebody else was at, and who still are there. */
  takeOver(leaders: readonly number[]): void {
    this.#leaders = leaders;
    if (leaders.length > 0) this.#prune(this.#sessions.leftovers(leaders));
  }

  /** A worker has ended just now; whether it has left nobody. */
  add(leader: number, sessions: Pick<Sessions, 'isOver' | 'leftovers'> = this.#sessions): boolean {
    if (sessions.isOver(leader)) return true;
    // The number may be somebody else's already.
    const { members, isCertain } = sessions.leftovers([leader]);
    if (isCertain && members.length === 0) return true;
    this.#leaders = [...this.#leaders, leader];
    return false;
  }

  signal(signal: 'SIGTERM' | 'SIGKILL'): Leftovers {
    const look = this.#sessions.signalLeftovers(this.#leaders, signal);
    this.#prune(look);
    return look;
  }

  #prune({ members, isCertain }: Leftovers): void {
    if (!isCertain) return;
    const left = new Set(members.map(({ leader }) => leader));
    this.#leaders = this.#leaders.filter((leader) => left.has(leader));
  }
}
