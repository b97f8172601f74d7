// A step of a start that will give up root: the guard, which keeps it, hears of what was made so far and of all that follows.
import { UndoGuard } from '../../sys/process/undo-guard.ts';
import type { Claimed } from './claim-place.ts';
import type { Users } from './resolve-users.ts';
import type { Given } from '../start-given.ts';

export function startGuard({ identity, files, journal }: Users & Claimed & Pick<Given, 'journal'>): void {
  if (identity.uid === 0) return;
  const node = [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
  journal.setGuard(UndoGuard.start(node, files?.lock));
}
