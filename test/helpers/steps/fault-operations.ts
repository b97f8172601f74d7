// The operations in which system calls are made to fail: those that are killed at every step (killed-operations.ts), and
// what has no supervisor to be killed. Whose calls fail is the attempt's `supervisor`, which may be a command.
import { isAlive, readProcess, waitFor } from '../machine/index.ts';
import { workersOf } from '../pool/index.ts';
import * as killedOperations from './killed-operations.ts';
import type { PoolPlace, Setting } from './killed-settings.ts';
import { startHeld, StepTracer, type Intervention } from './step-tracer.ts';

export interface FaultyOperation extends killedOperations.Operation {
  /**
   * `start`: nobody was there before. `bare`: the same, and workers have no supervisor. `change`: a pool serves before and
   * after, whatever fails. `adoption`: the same, but it has no supervisor before. `stop`: it serves, or is gone.
   */
  readonly kind: 'start' | 'bare' | 'change' | 'adoption' | 'stop';
}

export function faultyOperationsOf(setting: Setting): FaultyOperation[] {
  const changes = killedOperations.operationsOf(setting).map((operation): FaultyOperation => ({
    ...operation,
    kind: operation.name === 'stop' ? 'stop' : 'change',
  }));
  return [
    ...changes,
    { ...killedOperations.adoptionOf(setting), kind: 'adoption' },
    respawnOf(setting),
    commandOf('status', setting, 'change'),
    commandOf('stop', setting, 'stop'),
    stopOfKilled(setting),
  ];
}

export function faultyStartsOf(setting: Setting): FaultyOperation[] {
  const start: FaultyOperation = { ...killedOperations.startOf(setting), kind: 'start' };
  // Nobody would hear of it that it is ready.
  if (setting.name.startsWith('-n') || setting.name.includes('notify')) return [start];
  return [start, bareStartOf(setting, 'start --no-supervise', ['--no-supervise'])];
}

/** 1.6's -n: the process becomes the program. */
export function inPlaceStartOf(setting: Setting): FaultyOperation {
  return bareStartOf(setting, 'start -n', ['-n', '--no-supervise']);
}

const plain = { workersAfter: 2, further: [], victims: [] } as const;

function bareStartOf(setting: Setting, name: string, options: readonly string[]): FaultyOperation {
  return {
    ...plain,
    name,
    setting,
    kind: 'bare',
    async begin(at) {
      const place = await setting.makePlace();
      const args = bareArguments(place, options);
      const { command, pid } = await startHeld(place.dir, args, place.caller);
      const tracer = await StepTracer.attach(pid, at);
      process.kill(pid, 'SIGCONT');
      const isInPlace = command.pid === pid;
      const over = isInPlace
        ? waitFor('the program, or the end', () => !isAlive(pid) || isProgram(pid, place), {
            timeoutMs: 30_000,
          }).then(() => (isAlive(pid) ? 0 : command.ended.then(({ status }) => status)))
        : command.ended.then(({ status }) => status);
      const ended = over.then((status) => ({
        said: `the command says ${status}`,
        isUp: status === 0,
        status,
        stdout: command.stdout(),
        stderr: command.stderr(),
      }));
      return { place, tracer, supervisor: pid, oldWorkers: [], ended };
    },
  };
}

/** Options with a value that need a supervisor. */
const supervisorsOptions = new Set([
  '--settle',
  '--worker-pid-file',
  '--ready',
  '--ready-timeout',
  '--log',
  '--log-format',
  '--state-dir',
  '--keepalive-quiet',
  '--status-socket',
]);

function bareArguments(place: PoolPlace, options: readonly string[]): string[] {
  const args = place.background();
  const end = args.indexOf('--');
  const ours = args
    .slice(0, end)
    .filter((word, index) => ![word, args[index - 1] ?? ''].some((one) => supervisorsOptions.has(one)));
  return [...ours, ...options, ...args.slice(end)];
}

function isProgram(pid: number, place: PoolPlace): boolean {
  return readProcess(pid)?.args[0] === place.app;
}

/** A worker is killed; the operation ends when there is another. */
function respawnOf(setting: Setting): FaultyOperation {
  return {
    ...plain,
    name: 'respawn',
    setting,
    kind: 'change',
    async begin(at) {
      const { place, pool, oldWorkers } = await killedOperations.startOld(setting, at);
      const tracer = await StepTracer.attach(pool.pid, at);
      const [first = 0] = oldWorkers;
      process.kill(first, 'SIGKILL');
      const isReplaced = (): boolean => {
        const now = workersOf(pool);
        return now.length === oldWorkers.length && !now.includes(first);
      };
      const ended = waitFor('another worker', () => isReplaced() || !isAlive(pool.pid) || tracer.hasArrived)
        .catch(() => undefined)
        .then(() => ({ said: 'a worker was killed', isUp: true, status: 0, stdout: '', stderr: '' }));
      return { place, tracer, supervisor: pool.pid, oldWorkers, ended };
    },
  };
}

/** Calls of spawn-fcgictl itself. */
function commandOf(
  command: 'status' | 'stop',
  setting: Setting,
  kind: FaultyOperation['kind'],
): FaultyOperation {
  return {
    ...plain,
    name: `spawn-fcgictl ${command}`,
    setting,
    kind,
    async begin(at) {
      const { place, oldWorkers } = await killedOperations.startOld(setting, at);
      return { place, oldWorkers, ...(await beginCommand(place, command, at)) };
    },
  };
}

/** What a killed supervisor left is ended by the command itself. */
function stopOfKilled(setting: Setting): FaultyOperation {
  return {
    ...plain,
    name: 'spawn-fcgictl stop of a killed pool',
    setting,
    kind: 'stop',
    async begin(at) {
      const { place, pool, oldWorkers } = await killedOperations.startOld(setting, at);
      process.kill(pool.pid, 'SIGKILL');
      await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
      return { place, oldWorkers, ...(await beginCommand(place, 'stop', at)) };
    },
  };
}

async function beginCommand(
  place: PoolPlace,
  command: string,
  at?: Intervention,
): Promise<Pick<killedOperations.Attempt, 'tracer' | 'supervisor' | 'ended'>> {
  const args = ['--state-dir', place.stateDir, command, place.poolName];
  const held = await startHeld(place.dir, args, place.caller, 'spawn-fcgictl');
  const tracer = await StepTracer.attach(held.pid, at);
  process.kill(held.pid, 'SIGCONT');
  const ended = held.command.ended.then(({ status }) => ({
    said: `${command} says ${status}`,
    isUp: command !== 'stop',
    status,
    stdout: held.command.stdout(),
    stderr: held.command.stderr(),
  }));
  return { tracer, supervisor: held.pid, ended };
}
