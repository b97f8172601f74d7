// A start that is interrupted before its workers run: INT, TERM, QUIT, HUP, or the
// end of the command. Handlers run between the start's steps, never inside one.
import { ignoreRealTimeSignals } from '../sys/exec-in-place.ts';
import type { Front } from '../sys/front.ts';
import { ignoredSignals } from './watch-signals.ts';

const frontLookMs = 10;
const signals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const;
/** They mean nothing yet, and by default would end a start, or stop it for ever. */
const straySignals = [...ignoredSignals, 'SIGTTIN', 'SIGTTOU'] as const;

/** Calls `interrupted` with the reason; the result ends the watch. */
export function watchInterruption(
  front: Front | undefined,
  interrupted: (reason: string) => void,
): () => void {
  const onSignal = (signal: NodeJS.Signals): void => interrupted(`start interrupted by ${signal}`);
  const overhear = (): void => undefined;
  for (const signal of signals) process.on(signal, onSignal);
  for (const signal of straySignals) process.on(signal, overhear);
  ignoreRealTimeSignals();
  const look = setInterval(() => {
    if (front?.isGone()) interrupted('start interrupted: the command was ended');
  }, frontLookMs);
  return () => {
    clearInterval(look);
    for (const signal of signals) process.off(signal, onSignal);
    for (const signal of straySignals) process.off(signal, overhear);
  };
}
