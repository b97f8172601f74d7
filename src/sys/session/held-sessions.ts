// Workers that stay stopped while they serve nobody, until somebody has work for them. Children of ours: until they are
// waited for their numbers are nobody else's.
import { constants } from 'node:os';
import type { HeldSessions, IdleVerdict } from '../../core/machine.ts';
import { attempt, libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { hasEndingSignal } from '../process/pending-signals.ts';
import { signalMember } from './frozen-session.ts';
import type { SessionFreezer } from './session-freeze.ts';

const { SIGCONT } = constants.signals;

/** Without /proc nobody can be held: it could not be seen whom that would cut off. */
export function heldSessions(proc: ProcFs | undefined, freezer: SessionFreezer): HeldSessions {
  if (proc) return new SessionsOfSpares(proc, freezer);
  return { hold: () => 'unknown', wake: () => true, isReleased: () => false };
}

class SessionsOfSpares implements HeldSessions {
  readonly #proc: ProcFs;
  readonly #freezer: SessionFreezer;
  /** The processes of each session that is held. */
  readonly #members = new Map<number, readonly number[]>();

  constructor(proc: ProcFs, freezer: SessionFreezer) {
    this.#proc = proc;
    this.#freezer = freezer;
  }

  hold(leader: number): IdleVerdict {
    return this.#freezer.holdIfIdle(leader, (members) => this.#members.set(leader, members));
  }

  wake(leader: number): boolean {
    const members = this.#members.get(leader) ?? [];
    this.#members.delete(leader);
    const status = this.#proc.readText(`${leader}/status`);
    const isReached = attempt(() => libc.kill(-leader, SIGCONT)) >= 0;
    // Job control gives some members groups of their own.
    for (const pid of members) if (pid !== leader) signalMember(this.#proc, leader, pid, SIGCONT);
    // A child of ours has this file until it is waited for: it could not be opened.
    return isReached && (status === undefined || !hasEndingSignal(status));
  }

  isReleased(leader: number): boolean {
    const { state = 'X' } = this.#proc.stat(leader) ?? {};
    return !'TtXZ'.includes(state);
  }
}
