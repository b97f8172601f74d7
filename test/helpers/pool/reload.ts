// Reloads a pool by HUP and waits for what its event log says about it.
import { readFileSync } from 'node:fs';
import { waitFor } from '../machine/wait-for.ts';

export interface ReloadEnd {
  result: 'reloaded' | 'rolled-back' | 'partly' | 'timed-out';
  generation: number;
}

export interface Reloadable {
  pool: { pid: number };
  /** Of --log-format json. */
  eventLog: string;
}

/** `whenFirstIsNew` is done as soon as the first worker of the new generation is in service. */
export async function reload(site: Reloadable, whenFirstIsNew?: () => void): Promise<ReloadEnd> {
  const before = readFileSync(site.eventLog).length;
  const eventsSince = (): string => readFileSync(site.eventLog).subarray(before).toString();
  process.kill(site.pool.pid, 'SIGHUP');
  if (whenFirstIsNew) {
    const first = await waitFor(
      'the first new worker',
      () => find(eventsSince(), 'worker-replaced') ?? find(eventsSince(), 'reload-finished'),
      { intervalMs: 1, timeoutMs: 30_000 },
    );
    if (first.event === 'worker-replaced') whenFirstIsNew();
  }
  return waitFor('the end of the reload', () => find(eventsSince(), 'reload-finished'), {
    timeoutMs: 30_000,
  });
}

/** Waits for the end of so many reloads since the pool's start. */
export function reloadsEnded(eventLog: string, count: number): Promise<unknown> {
  const ends = (): number => readFileSync(eventLog, 'utf8').split('"event":"reload-finished"').length - 1;
  return waitFor(`the end of reload ${count}`, () => ends() >= count, { timeoutMs: 30_000 });
}

/** Only whole lines count. */
function find(log: string, event: string): (ReloadEnd & { event: string }) | undefined {
  const line = log
    .split('\n')
    .slice(0, -1)
    .find((text) => text.includes(`"event":"${event}"`));
  return line === undefined ? undefined : (JSON.parse(line) as ReloadEnd & { event: string });
}
