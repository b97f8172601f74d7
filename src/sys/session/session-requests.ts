// What the workers of live sessions are at, by their accepted connections.
import type { Request } from '../../core/machine.ts';
import type { SessionFreezer } from './session-freeze.ts';

export function isAnyBusy(freezer: SessionFreezer, leaders: readonly number[]): boolean {
  const scan = freezer.scan(leaders);
  return leaders.some((leader) => freezer.isAtWork(leader, scan));
}

export function requestsOf(freezer: SessionFreezer, leaders: readonly number[]): Map<number, Request[]> {
  const scan = freezer.scan(leaders);
  return new Map(
    leaders.map((leader) => [
      leader,
      freezer.connections(leader, scan).map(({ inode, ageMs }) => ({ connection: inode, ageMs })),
    ]),
  );
}
