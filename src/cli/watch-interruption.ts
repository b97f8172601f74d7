// A start that is interrupted before its workers run: INT, TERM, QUIT, HUP, or the
// end of the command. Handlers run between the start's steps, never inside one.
import type { Front } from '../sys/front.ts';

const frontLookMs = 10;
const signals = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const;

/** Calls `interrupted` with the reason; the result ends the watch. */
export function watchInterruption(
  front: Front | undefined,
  interrupted: (reason: string) => void,
): () => void {
  const onSignal = (signal: NodeJS.Signals): void => interrupted(`start interrupted by ${signal}`);
  for (const signal of signals) process.on(signal, onSignal);
  const look = setInterval(() => {
    if (front?.isGone()) interrupted('start interrupted: the command was ended');
  }, frontLookMs);
  return () => {
    clearInterval(look);
    for (const signal of signals) process.off(signal, onSignal);
  };
}
