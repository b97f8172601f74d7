// Pools whose workers answer requests, with one nginx in front of all of them.
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { freePort } from '../helpers/machine/free-port.ts';
import { childrenOf } from '../helpers/machine/processes.ts';
import { oursServing, referenceServing } from './commands.ts';
import { startFront } from './front.ts';
import { runToReturn } from './pool.ts';
import { endAll, remember } from './processes-started.ts';
import type { ContenderName } from './row.ts';
import { freshAddress, freshPath, type Family, type Workplace } from './workplace.ts';

/** What serves, if it is not the echo program in C. */
export interface ServingProgram {
  program: string;
  /** SCRIPT_FILENAME. */
  script: string;
  workers: number;
  /** Connections that nginx keeps open. */
  keptConnections?: number;
}

export interface ServingPool {
  name: ContenderName;
  /** What the command printed: the supervisor, or with 1.6 the workers. */
  pids: readonly number[];
  /** nginx's, on 127.0.0.1. */
  port: number;
  address: readonly string[];
  /** The supervisor's events as JSON; nobody writes it under 1.6. */
  eventLog: string;
}

export interface Serving {
  pools: ServingPool[];
  /** nginx's. */
  errorLog: string;
  nginx: number;
}

/** Starts one pool of the same workers for each name; `options` are ours. */
export async function startServing(
  place: Workplace,
  family: Family,
  names: readonly ContenderName[],
  options: readonly string[] = [],
  serving: ServingProgram = { program: compileC(fixture('plain-echo.c')), script: '/', workers: 4 },
): Promise<Serving> {
  const { program, workers, script, keptConnections } = serving;
  const front = keptConnections === undefined ? { script } : { script, keptConnections };
  const pools: ServingPool[] = [];
  for (const name of names) {
    // nginx is another user.
    const mode = family === 'Unix' ? ['-M', '0666'] : [];
    const address = [...(await freshAddress(place, family)), ...mode];
    const wish = { address, workers, program };
    const eventLog = freshPath(place, 'log');
    const log = ['--log', eventLog, '--log-format', 'json'];
    const command =
      name === '1.6' ? referenceServing(place, wish) : oursServing(place, wish, [...log, ...options]);
    const { pids } = runToReturn(place, command);
    pools.push({ name, pids, port: await freePort(), address, eventLog });
  }
  const nginx = await startFront(
    place,
    pools.map((pool) => ({ ...pool, ...front })),
  );
  return { pools, errorLog: nginx.errorLog, nginx: nginx.pid };
}

export async function stopServing({ pools, nginx }: Serving): Promise<void> {
  await endAll([nginx]);
  for (const { pids } of pools) {
    const children = pids.flatMap(childrenOf);
    children.forEach(remember);
    await endAll(pids);
    await endAll(children);
  }
}
