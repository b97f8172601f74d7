// `docker stop`: a signal, some patience, KILL.
import * as machine from '../machine/index.ts';
import type { Container } from './container.ts';

export interface Stopped {
  status: number | null;
  ms: number;
  /** Whether it had to be killed. */
  isKilled: boolean;
}

/** The patience of Docker is 10 s. */
export async function stopContainer(
  { kill, ended }: Container,
  { signal = 'TERM', patienceMs = 10_000 }: { signal?: string; patienceMs?: number } = {},
): Promise<Stopped> {
  const began = performance.now();
  let isOver = false;
  let isKilled = false;
  const end = ended.finally(() => (isOver = true));
  await kill(signal);
  await machine
    .waitFor('the end of the container', () => isOver, { timeoutMs: patienceMs })
    .catch(async () => {
      isKilled = true;
      await kill('KILL');
    });
  const { status } = await end;
  return { status, ms: Math.round(performance.now() - began), isKilled };
}
