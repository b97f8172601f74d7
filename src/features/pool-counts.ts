// Counts what happens to a pool, for its metrics: since it came up under this supervisor.
import type { EndClass } from '../core/pool/restart-policy.ts';
import type { PoolEvent } from '../core/text/pool-event.ts';
import { statusOfReload, type PoolStatus } from '../control/protocol.ts';
import type { Feature } from './feature.ts';

/** Why a slot got another worker, or could not get one. */
type RestartReason = EndClass | 'exec-failed' | 'spawn-failed';

export class PoolCounts implements Feature {
  readonly #restarts: Record<RestartReason, number> = {
    planned: 0,
    crash: 0,
    'failed-start': 0,
    stuck: 0,
    'exec-failed': 0,
    'spawn-failed': 0,
  };
  readonly #reloads: Record<string, number> = Object.fromEntries(
    Object.keys(statusOfReload).map((result) => [result, 0]),
  );

  /** Also of what the log only sums up. */
  happened(event?: PoolEvent): void {
    switch (event?.event) {
      case 'worker-ended':
        this.#restarts[event.class] += 1;
        return;
      case 'exec-failed':
      case 'spawn-failed':
        this.#restarts[event.event] += 1;
        return;
      case 'reload-finished':
        this.#reloads[event.result] = (this.#reloads[event.result] ?? 0) + 1;
        return;
      default:
    }
  }

  describe(): Pick<PoolStatus, 'counts'> {
    const [restarts, reloads] = [{ ...this.#restarts }, { ...this.#reloads }];
    return { counts: { restarts, reloads } };
  }
}
