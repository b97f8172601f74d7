// The operations of a pool whose steps are looked at one by one (killed-at-steps.ts), in each of the settings.
import { isAlive, waitFor } from '../machine/index.ts';
import { ctl, fullPool, referencePath, startPool } from '../pool/index.ts';
import { startIn, type PoolPlace, type Setting } from './killed-settings.ts';
import { isAboutCalls, startHeld, StepTracer, type Intervention } from './step-tracer.ts';

export type Victim = 'supervisor' | 'command' | 'guard' | 'new worker' | 'old worker' | 'old supervisor';

export interface End {
  /** How it ended, for people. */
  readonly said: string;
  /** Whether a pool was said to be up, or has to be. */
  readonly isUp: boolean;
  /** Of the command, if it has ended; and what it said. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An operation under way in a place of its own. */
export interface Attempt {
  readonly place: PoolPlace;
  readonly tracer: StepTracer;
  /** Whose steps they are. */
  readonly supervisor: number;
  /** The command that waits, and the supervisor that hands over, where there are any. */
  readonly command?: number;
  readonly oldSupervisor?: number;
  /** Workers from before. */
  readonly oldWorkers: readonly number[];
  readonly ended: Promise<End>;
}

export interface Operation {
  readonly name: string;
  readonly setting: Setting;
  /** Of the pool that did it, if nobody was killed. */
  readonly workersAfter: number;
  /** Further options of the start, and of the one that heals. */
  readonly further: readonly string[];
  readonly victims: readonly Victim[];
  readonly begin: (at?: Intervention) => Promise<Attempt>;
}

export function startOf(setting: Setting): Operation {
  return {
    name: 'start',
    setting,
    workersAfter: 2,
    further: [],
    victims: victimsOf(setting, ['supervisor', 'command', 'guard', 'new worker']),
    async begin(at) {
      const place = await setting.makePlace();
      const next = await hold(place, [], false);
      return { place, oldWorkers: [], ...next, tracer: await trace(next, at) };
    },
  };
}

/** What a running pool of two is told to do. */
export function operationsOf(setting: Setting): Operation[] {
  const bothWorkers = ['new worker', 'old worker'] as const;
  return [
    asked('stop', setting, ['stop'], ['old worker']),
    asked('reload', setting, ['reload'], bothWorkers),
    asked('restart', setting, ['restart'], bothWorkers),
    asked('scale +1', setting, ['scale', '+1'], bothWorkers, 3),
    asked('scale -1', setting, ['scale', '-1'], ['old worker'], 1),
    handover(setting),
    handoverOfGiver(setting),
  ];
}

function asked(
  name: string,
  setting: Setting,
  [command = '', ...args]: readonly string[],
  victims: readonly Victim[],
  workersAfter = 2,
): Operation {
  return {
    name,
    setting,
    workersAfter,
    further: [],
    victims: ['supervisor', ...victims],
    async begin(at) {
      const { place, pool, oldWorkers } = await startOld(setting, at);
      const tracer = await StepTracer.attach(pool.pid, at);
      const ended = ctl(place.stateDir, [command, place.poolName, ...args], place.caller).then(
        ({ status, stdout, stderr }) => ({
          said: `${command} says ${status}`,
          isUp: command !== 'stop' && (command !== 'restart' || status === 0),
          status,
          stdout,
          stderr,
        }),
      );
      return { place, tracer, supervisor: pool.pid, oldWorkers, ended };
    },
  };
}

const replacing = { workersAfter: 2, further: ['--replace'] } as const;

function handover(setting: Setting): Operation {
  return {
    name: 'handover',
    setting,
    ...replacing,
    victims: victimsOf(setting, ['supervisor', 'old supervisor', 'command', 'new worker', 'old worker']),
    async begin(at) {
      const { place, pool, oldWorkers } = await startOld(setting, at);
      const next = await hold(place, replacing.further, true);
      return { place, oldWorkers, oldSupervisor: pool.pid, ...next, tracer: await trace(next, at) };
    },
  };
}

function handoverOfGiver(setting: Setting): Operation {
  return {
    name: 'handover, as the old supervisor sees it',
    setting,
    ...replacing,
    victims: ['supervisor'],
    async begin(at) {
      const { place, pool, oldWorkers } = await startOld(setting, at);
      const next = await hold(place, replacing.further, true);
      const tracer = await StepTracer.attach(pool.pid, at);
      process.kill(next.supervisor, 'SIGCONT');
      return { place, oldWorkers, ...next, tracer, supervisor: pool.pid };
    },
  };
}

/** A plain start after the supervisor was killed. */
export function adoptionOf(setting: Setting): Operation {
  return {
    name: 'adoption',
    setting,
    workersAfter: 2,
    further: [],
    victims: victimsOf(setting, ['supervisor', 'command', 'new worker', 'old worker']),
    async begin(at) {
      const { place, pool, oldWorkers } = await startOld(setting, at);
      process.kill(pool.pid, 'SIGKILL');
      await waitFor('the end of the supervisor', () => !isAlive(pool.pid));
      const next = await hold(place, [], true);
      return { place, oldWorkers, ...next, tracer: await trace(next, at) };
    },
  };
}

/** A start with --replace over workers that lighttpd's command has started. */
export function moveOf(setting: Setting): Operation {
  return {
    name: 'move',
    setting,
    ...replacing,
    victims: victimsOf(setting, ['supervisor', 'command', 'guard', 'new worker', 'old worker']),
    async begin(at) {
      const place = await setting.makePlace();
      const how = { cwd: place.dir, ...place.caller, command: referencePath };
      const { pids } = await startPool(place.by16, how);
      const next = await hold(place, replacing.further, true);
      return { place, oldWorkers: pids, ...next, tracer: await trace(next, at) };
    },
  };
}

export async function startOld(setting: Setting, at: Intervention | undefined) {
  const place = await setting.makePlace();
  const pool = await startIn(place);
  const oldWorkers = await fullPool(pool, 2);
  // What comes right after a start is not the operation's.
  if (at && isAboutCalls(at)) await waitFor('the control socket', () => answers(place));
  return { place, pool, oldWorkers };
}

async function answers(place: PoolPlace): Promise<boolean> {
  return (await ctl(place.stateDir, ['ping', place.poolName], place.caller)).status === 0;
}

type Held = Pick<Attempt, 'supervisor' | 'command' | 'ended'>;

/** A start whose supervisor is not Node yet. With others that serve whoever wins serves afterwards. */
async function hold(place: PoolPlace, further: readonly string[], othersServe: boolean): Promise<Held> {
  const { command, pid } = await startHeld(place.dir, place.start(further), place.caller);
  const isSaidToBeUp = (): boolean => command.stdout().includes('spawned successfully');
  if (!place.staysInForeground) {
    const ended = command.ended.then(({ status }) => ({
      said: `the command says ${status}`,
      isUp: othersServe || isSaidToBeUp(),
      status,
      stdout: command.stdout(),
      stderr: command.stderr(),
    }));
    return { supervisor: pid, command: command.pid, ended };
  }
  // Workers have its streams, and may outlive it.
  const ended = waitFor('the end of the start', () => isSaidToBeUp() || !isAlive(pid), {
    timeoutMs: 30_000,
  }).then(() => ({
    said: isSaidToBeUp() ? 'the pool is up' : 'the start fails',
    isUp: othersServe || isSaidToBeUp(),
    status: isSaidToBeUp() ? 0 : null,
    stdout: command.stdout(),
    stderr: command.stderr(),
  }));
  return { supervisor: pid, ended };
}

async function trace({ supervisor }: Held, at?: Intervention): Promise<StepTracer> {
  const tracer = await StepTracer.attach(supervisor, at);
  process.kill(supervisor, 'SIGCONT');
  return tracer;
}

/** In the foreground the supervisor is the command; without -u there is no guard. */
function victimsOf({ drops, hasCommand }: Setting, all: readonly Victim[]): Victim[] {
  return all.filter((victim) => !(victim === 'guard' && !drops) && !(victim === 'command' && !hasCommand));
}
