// What waits for a process that is stopped, by /proc/PID/status, which everybody may read.
import { constants } from 'node:os';

const { SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTERM, SIGINT, SIGQUIT, SIGKILL } = constants.signals;

/** Whose default action does nothing. */
const harmless = setOf(SIGCHLD, SIGCONT, SIGURG, SIGWINCH);
/** Who handles these mostly ends all the same. */
const requests = setOf(SIGTERM, SIGINT, SIGQUIT, SIGKILL);

/** Whether it is dead, or a signal is pending that will most likely end it. */
export function hasEndingSignal(status: string): boolean {
  if (!/^State:\s*[^ZX\s]/m.test(status)) return true;
  const pending = maskOf(status, 'SigPnd') | maskOf(status, 'ShdPnd');
  if (pending === 0n) return false;
  const ignored = maskOf(status, 'SigIgn');
  const caught = maskOf(status, 'SigCgt');
  return (pending & ~ignored & (requests | ~(caught | harmless))) !== 0n;
}

function maskOf(status: string, name: string): bigint {
  const digits = new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0';
  return BigInt(`0x${digits}`);
}

function setOf(...signals: readonly number[]): bigint {
  return signals.reduce((mask, signal) => mask | (1n << BigInt(signal - 1)), 0n);
}
