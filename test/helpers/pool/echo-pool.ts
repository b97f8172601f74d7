// A place whose workers are plain-echo in releases that a link chooses between, and what a test asks about such a pool.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parsePoolState, type PoolState } from '../../../src/core/pool-state.ts';
import { compileC, fixture } from '../build/index.ts';
import { freePort, isAlive, runCommand, waitFor } from '../machine/index.ts';
import { makePlace, poolFile, type Place } from './place.ts';
import { makeReleases, type Releases } from './releases.ts';
import type { FastcgiTarget, Transport } from '../web/index.ts';

export interface EchoPlace extends Place {
  releases: Releases;
  target: FastcgiTarget;
  /** For the pool's command line, instead of the place's socket. */
  address: string[];
  /** The pool's, as spawn-fcgictl takes it. */
  name: string;
}

/** The release "1" is current. */
export async function makeEchoPlace(transport: Transport = 'a Unix socket'): Promise<EchoPlace> {
  const place = makePlace();
  const releases = makeReleases(place.dir, compileC(fixture('plain-echo.c')));
  const base = { ...place, app: releases.program, releases };
  if (transport === 'a Unix socket') {
    const { socket } = place;
    return { ...base, target: { socketPath: socket }, address: ['-s', socket], name: socket };
  }
  const port = await freePort();
  const address = ['-a', '127.0.0.1', '-p', String(port)];
  return { ...base, target: { host: '127.0.0.1', port }, address, name: `127.0.0.1:${port}` };
}

/** What the pool says of itself in its state file; undefined while there is none to read. */
export function readPoolState({ stateDir }: Place): PoolState | undefined {
  const name = readdirSync(stateDir).find((file) => file.endsWith('.state'));
  return name === undefined ? undefined : parsePoolState(readFileSync(join(stateDir, name), 'utf8'));
}

/** Kills a supervisor, and nobody else, and waits until its lock is free. */
export async function killSupervisor({ pid }: { pid: number }): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await waitFor('the end of the supervisor', () => !isAlive(pid));
}

/** Whether somebody holds the pool's lock. */
export async function isLocked(place: Place): Promise<boolean> {
  return (await runCommand('flock', ['--nonblock', poolFile(place, '.lock'), 'true'])).status === 1;
}
