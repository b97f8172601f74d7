// Beats for a manager that ends a service without them: by a timer of the loop that does all the work, which proves that
// it turns. The one timer of an idle pool, and only where somebody has asked for it (WatchdogSec=).

/** A timer of more fires at once, and again. */
const longestMs = 2 ** 31 - 1;

/** Starts beating, twice as often as it must; the result ends it. */
export function beat(watchdogUsec: number, tell: () => void): () => void {
  tell();
  const timer = setInterval(tell, Math.min(Math.max(1, Math.floor(watchdogUsec / 2000)), longestMs));
  return () => clearInterval(timer);
}
