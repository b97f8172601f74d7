// Beats for a manager that ends a service without them: by a timer of the loop that does all the work, which proves that
// it turns. The one timer of an idle pool, and only where somebody has asked for it (WatchdogSec=).

/** Starts beating, twice as often as it must; the result ends it. */
export function beat(watchdogUsec: number, tell: () => void): () => void {
  tell();
  const timer = setInterval(tell, Math.max(1, Math.floor(watchdogUsec / 2000)));
  return () => clearInterval(timer);
}
