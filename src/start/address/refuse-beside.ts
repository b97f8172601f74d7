// Why a start is refused beside a pool that has its address: 1.6's line, and what to do about that pool.
import { SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { PoolState } from '../../core/pool-state.ts';
import { readPath } from '../../sys/file/pool-directory.ts';
import { pathsOfPool } from '../../sys/file/pool-names.ts';
import { lineInUse } from './bind-hints.ts';

export interface Beside {
  readonly base: string;
  readonly address: BoundAddress;
  /** What holds the lock; undefined: its state does not say. */
  readonly holder: PoolState | undefined;
  /** It is in another container, or was when it wrote its state. */
  readonly isAway: boolean;
  /** Nobody can connect to it any more: its socket file is gone. */
  readonly isCutOff: boolean;
  readonly isReplacing: boolean;
  /** Why it could not be taken over. */
  readonly why?: string;
}

export function refuseBeside(beside: Beside): SpawnFcgiError {
  const { address, isAway, isReplacing } = beside;
  const away = `cannot take over the pool on ${formatAddress(address)}: it runs in another container`;
  return new SpawnFcgiError(isAway && isReplacing ? away : lineInUse(address), { hints: [hintFor(beside)] });
}

function hintFor({ base, address, holder, isAway, isCutOff, why }: Beside): string {
  const { lock, state } = pathsOfPool(base, address);
  if (!holder) {
    return `another process holds ${lock}, and ${state} does not say which: a pool on this address, or a start or stop of one; fuser '${lock}' names it, unless it is in another container that shares ${base}`;
  }
  const pool = `pool '${holder.name}'`;
  if (isAway) {
    return `${pool} on ${holder.address} ${doing(holder)} in another container (its supervisor is PID ${holder.pid} there) that shares ${base}, and its workers can be neither seen nor ended from here: stop it there, or give each container a --state-dir of its own`;
  }
  const stop = stopCommand(holder);
  if (isCutOff) {
    const offer = why === undefined ? 'a start that supervises takes it over' : why;
    return `nobody can connect to ${pool} (supervisor PID ${holder.pid}): its socket file ${holder.address} was removed or replaced; ${offer}; or stop it first: ${stop}`;
  }
  return `${pool} (supervisor PID ${holder.pid}) ${doing(holder)} on ${holder.address}; stop it first: ${stop}; new workers of it: kill -HUP ${holder.pid}; take it over: --replace`;
}

function doing({ phase }: PoolState): string {
  return phase === 'serving' ? 'runs' : `is ${phase}`;
}

/** By its PID file only if that still is there and says so. */
function stopCommand({ pid, pidFile }: PoolState): string {
  const content = pidFile === undefined ? undefined : readPath(pidFile);
  const isTrue = content?.kind === 'pid-file' && content.text.trim() === String(pid);
  return isTrue ? `kill $(cat ${pidFile})` : `kill ${pid}`;
}
