// Whether something is so for longer than a moment: between two requests, or after one crash, a pool may look like anything.
import { setTimeout as pause } from 'node:timers/promises';
import type { PoolStatus } from '../../control/protocol.ts';
import type { Patient } from './patient.ts';

export const looks = 3;
export const betweenLooksMs = 100;

/** The last status, if it held at every look. */
export async function lasting(
  patient: Patient,
  holds: (status: PoolStatus) => boolean,
): Promise<PoolStatus | undefined> {
  let { status } = patient;
  for (let look = 1; status && status.phase === 'serving' && holds(status); look++) {
    if (look === looks) return status;
    await pause(betweenLooksMs);
    status = await patient.statusNow();
  }
  return undefined;
}
