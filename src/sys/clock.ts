// The monotonic clock and timers of the real machine.
import type { Clock } from '../supervisor/interfaces.ts';

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};
