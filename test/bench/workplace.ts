// Where one run of the benchmark lives: its directory, the compiled worker, the programs compared, fresh addresses.
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileC, fixture } from '../helpers/build/compile-c.ts';
import { freePort } from '../helpers/machine/free-port.ts';
import { findPeers, type Peers } from './peers.ts';
import { WorkerReports } from './worker-reports.ts';

export type Family = 'TCP' | 'Unix';

export interface Workplace {
  dir: string;
  ours: string;
  /** The Node that our supervisor runs on; what "node -e 0" is measured with. */
  node: string;
  worker: string;
  peers: Peers;
}

export function createWorkplace(ours: string): Workplace {
  const dir = mkdtempSync(join(tmpdir(), 'sf-bench-'));
  chmodSync(dir, 0o755);
  const worker = compileC(fixture('accept-loop.c'));
  return { dir, ours, node: process.execPath, worker, peers: findPeers() };
}

let filesMade = 0;

/** A path that nothing has yet. */
export function freshPath(place: Workplace, suffix: string): string {
  filesMade += 1;
  return join(place.dir, `${filesMade}.${suffix}`);
}

export function freshReports(place: Workplace): WorkerReports {
  return new WorkerReports(freshPath(place, 'reports'));
}

/** spawn-fcgi's options for an address that nobody listens on. */
export async function freshAddress(place: Workplace, family: Family): Promise<string[]> {
  if (family === 'TCP') return ['-a', '127.0.0.1', '-p', String(await freePort())];
  return ['-s', freshPath(place, 'sock')];
}
