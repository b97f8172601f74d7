// The guards that the options of a pool ask for, and what they need of the machine; a guard more is a line here.
import type { Config } from '../../core/config.ts';
import type { EventLog, Machine } from '../../core/machine.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import { processorMs } from '../../sys/process/clock.ts';
import { ProcessMemory } from '../../sys/proc/process-memory.ts';
import { SessionBook } from '../../sys/session/session-book.ts';
import type { SessionFreezer } from '../../sys/session/session-freeze.ts';
import type { Feature } from '../feature.ts';
import type { Guard } from './guard.ts';
import { Guards } from './guards.ts';
import { MaxAge } from './max-age.ts';
import { MaxMemory } from './max-memory.ts';
import { RequestTimeout } from './request-timeout.ts';

export interface GuardedPool {
  readonly prepared: Pick<PreparedPool, 'config' | 'proc' | 'socket'>;
  readonly supervisor: Supervisor;
  readonly machine: Pick<Machine, 'clock' | 'random'>;
  readonly freezer: SessionFreezer;
  readonly log: Pick<EventLog, 'write'>;
}

/** `scaling` is there whatever the options say. */
export function guardFeatures(
  pool: GuardedPool,
  scaling: Guard,
): { readonly guards: Guards; readonly all: readonly Feature[] } {
  const { prepared, supervisor, machine, freezer, log } = pool;
  const { config, proc, socket } = prepared;
  const watching = [...guardsOf(config.guards, pool), scaling];
  const guards = new Guards({
    guards: watching,
    supervisor,
    freezer,
    sessions: proc && new SessionBook(proc),
    socket,
    clock: machine.clock,
    log,
    spentMs: processorMs,
  });
  const blind = proc ? [] : blindOf(config.guards).map((option) => tellsOfBlindness(option, log));
  return { guards, all: [...watching, guards, ...blind] };
}

/** The options that do nothing without /proc. */
function blindOf({ maxMemoryBytes, requestTimeoutMs }: Config['guards']): string[] {
  return [
    ...(maxMemoryBytes === undefined ? [] : ['--max-memory']),
    ...(requestTimeoutMs === undefined ? [] : ['--request-timeout']),
  ];
}

/** Whoever has given a limit relies on it. */
function tellsOfBlindness(option: string, log: Pick<EventLog, 'write'>): Feature {
  const message = `${option} does nothing: there is no /proc to look at`;
  return { serving: () => log.write({ event: 'warning', message }) };
}

function guardsOf(
  { maxMemoryBytes, maxAgeMs, requestTimeoutMs, stuckSignal }: Config['guards'],
  { prepared: { proc, socket }, supervisor, machine: { random }, log }: GuardedPool,
): Guard[] {
  const guards: Guard[] = [];
  if (maxMemoryBytes !== undefined && proc) {
    const memory = new ProcessMemory(proc);
    const familyOf = (pid: number): number[] => proc.family(pid);
    guards.push(new MaxMemory(maxMemoryBytes, { memory, familyOf, log }));
  }
  if (maxAgeMs !== undefined) guards.push(new MaxAge(maxAgeMs, random));
  if (requestTimeoutMs !== undefined && proc) {
    const timeoutMs = requestTimeoutMs;
    guards.push(new RequestTimeout({ proc, socket, supervisor, log, timeoutMs, signal: stuckSignal }));
  }
  return guards;
}
