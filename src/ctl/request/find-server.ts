// From what the caller names to the socket to connect to: any server's address as it stands, else the pool that is meant.
import { statSync } from 'node:fs';
import { SpawnFcgiError } from '../../core/errors.ts';
import { printable } from '../../core/text/printable.ts';
import { ctlStatus } from '../statuses.ts';
import type { PoolFinder } from '../target/find-pool.ts';
import { maxPort, parseTarget } from '../target/parse-target.ts';
import { reachable, serverOf, type ServerAddress } from './open-connection.ts';

export interface Server {
  readonly address: ServerAddress;
  /** What it is called in messages; printable. */
  readonly name: string;
}

const otherServers = new Set<number>([ctlStatus.noSuchPool, ctlStatus.notPermitted]);

/** Looks for pools only where the text is no address by itself. */
export async function findServer(text: string, openFinder: () => Promise<PoolFinder>): Promise<Server> {
  const target = parseTarget(text);
  if (target?.kind === 'tcp' && target.host !== '') {
    const address = { kind: 'tcp', host: reachable(target.host), port: target.port } as const;
    return { address, name: printable(text) };
  }
  if (target?.kind === 'abstract') {
    return { address: { kind: 'unix', path: `\0${target.name}`, owner: undefined }, name: printable(text) };
  }
  if (target?.kind === 'path' && isSocket(target.path)) {
    return { address: { kind: 'unix', path: target.path, owner: undefined }, name: printable(text) };
  }
  const port = target?.kind === 'number' || target?.kind === 'tcp' ? portOf(target) : undefined;
  try {
    const pool = await (await openFinder()).find(text);
    return { address: serverOf(pool), name: printable(pool.state.address) };
  } catch (error) {
    // Whose pool has the port, if any, does not matter to who only connects.
    const isOther = error instanceof SpawnFcgiError && otherServers.has(error.exitCode);
    if (!isOther || port === undefined) throw error;
    return {
      address: { kind: 'tcp', host: 'localhost', port },
      name: `localhost:${port} (no pool of yours)`,
    };
  }
}

function portOf(target: { number: number } | { port: number }): number | undefined {
  const port = 'port' in target ? target.port : target.number;
  return port <= maxPort ? port : undefined;
}

/** Whatever is there and is no file is for connect(2) to judge; what is not there may be a pool that has lost its socket. */
function isSocket(path: string): boolean {
  try {
    return !statSync(path).isFile();
  } catch {
    return false;
  }
}
