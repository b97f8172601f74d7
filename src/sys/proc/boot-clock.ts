// Start times of processes (clock ticks since boot, proc(5)) as they are written down for others: /proc shows them by
// the boot clock of the reader's time namespace (time_namespaces(7)), so files and the control socket have those of the
// initial one. Loads no libc.
import { readFileSync } from 'node:fs';
import { parsePoolState, withStartTimes, type PoolState } from '../../core/pool-state.ts';

/** USER_HZ: 100 on every architecture that Node runs on. */
const ticksPerSecond = 100n;
const nanosecondsPerTick = 10_000_000n;

let offset: bigint | undefined;

/** How far our boot clock is ahead of the initial namespace's, in ticks. To be asked once before a chroot. */
export function bootOffset(): bigint {
  return (offset ??= readOffset());
}

/** Lines `boottime SECONDS NANOSECONDS`; missing before Linux 5.6, which has no such namespaces. */
function readOffset(): bigint {
  try {
    const text = readFileSync('/proc/self/timens_offsets', 'latin1');
    const [, seconds = '0', nanoseconds = '0'] = /^boottime +(-?\d+) +(\d+)$/m.exec(text) ?? [];
    return BigInt(seconds) * ticksPerSecond + BigInt(nanoseconds) / nanosecondsPerTick;
  } catch {
    return 0n;
  }
}

/** As we see it, from what was written down. */
export function readStartTime(written: string): string {
  return shift(written, bootOffset());
}

/** For others, from what we see. */
export function writeStartTime(seen: string): string {
  return shift(seen, -bootOffset());
}

/** What a state file says, with start times as we see them. */
export function readPoolState(text: string): PoolState | undefined {
  const state = parsePoolState(text);
  return state && withStartTimes(state, readStartTime);
}

/** The state with start times for others. */
export function writePoolState(state: PoolState): PoolState {
  return withStartTimes(state, writeStartTime);
}

function shift(time: string, ticks: bigint): string {
  return ticks === 0n || !/^\d+$/.test(time) ? time : String(BigInt(time) + ticks);
}
