// The monotonic clock and timers of the real machine.
import type { Clock } from '../../core/machine.ts';

/** node:timers/promises has it too, and takes 0.5 ms of a start to load. */
export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Of all threads of this process, on whatever processor. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};
