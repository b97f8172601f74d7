// A supervisor on a fake machine.
import type { RestartPolicy, StopMethod } from '../../../src/core/config.ts';
import { Life } from '../../../src/core/life.ts';
import type { WorkerEnd } from '../../../src/core/worker-exit.ts';
import type { Outcome } from '../../../src/supervisor/outcome.ts';
import { Supervisor } from '../../../src/supervisor/supervisor.ts';
import { FakeMachine } from './fake-machine.ts';
import { ManualClock } from './manual-clock.ts';

export const testPolicy: RestartPolicy = {
  minUptimeMs: 1000,
  delayMs: 100,
  maxDelayMs: 30_000,
  startLimit: undefined,
};

interface FakePoolOptions {
  readonly workers?: number;
  readonly spares?: number;
  readonly restart?: Partial<RestartPolicy>;
  readonly stopTimeoutMs?: number;
  readonly stopMethod?: StopMethod;
  readonly isTriedFirst?: boolean;
  readonly isNotified?: boolean;
  readonly isTakingOver?: boolean;
  readonly machine?: FakeMachine;
}

/** What the supervisor told its owner, one line each: `up`, `start failed`, `stopped 0`. */
export interface FakePool {
  readonly machine: FakeMachine;
  readonly clock: ManualClock;
  readonly supervisor: Supervisor;
  /** Up to its word that its workers are up: the rest of a start is others'. */
  readonly life: Life;
  readonly outcomes: string[];
  /** How often it said that the pool began to stop. */
  stoppings: number;
  readonly firstEnds: (WorkerEnd | undefined)[];
  /** Called when the pool is up, before that is noted. */
  onUp: () => void;
}

/** A supervisor on a fake machine, not started yet. */
export function createFakePool(options: FakePoolOptions = {}): FakePool {
  const machine = options.machine ?? new FakeMachine();
  const outcomes: string[] = [];
  const firstEnds: (WorkerEnd | undefined)[] = [];
  const settings = {
    workers: options.workers ?? 1,
    spares: options.spares ?? 0,
    restart: { ...testPolicy, ...options.restart },
    stopTimeoutMs: options.stopTimeoutMs ?? 9000,
    stopMethod: options.stopMethod ?? 'auto',
    settleMs: 5000,
    readyTimeoutMs: 60_000,
    isNotified: options.isNotified ?? false,
    isTriedFirst: options.isTriedFirst ?? false,
    isTakingOver: options.isTakingOver ?? false,
  };
  const life = new Life();
  const outcome: Outcome = {
    up(ends) {
      pool.onUp();
      outcomes.push('up');
      firstEnds.push(...ends);
    },
    startFailed(ends) {
      outcomes.push('start failed');
      firstEnds.push(...ends);
    },
    stopping: () => {
      pool.stoppings++;
    },
    stopped: (status) => outcomes.push(`stopped ${status}`),
  };
  const supervisor = new Supervisor(machine, settings, outcome, { life });
  const pool: FakePool = {
    machine,
    clock: machine.clock,
    supervisor,
    life,
    outcomes,
    stoppings: 0,
    firstEnds,
    onUp: () => undefined,
  };
  machine.onChildEnd = (pid, exit) => supervisor.childEnded(pid, exit);
  return pool;
}

/** A pool whose workers all waited for connections `upMs` ago; its journal starts here. */
export function startFakePool(options: FakePoolOptions = {}, upMs = 2000): FakePool {
  const pool = createFakePool(options);
  pool.supervisor.start();
  for (const pid of pool.machine.live) pool.machine.waiting.add(pid);
  pool.clock.advance(1);
  pool.clock.advance(upMs);
  pool.machine.takeJournal();
  return pool;
}
