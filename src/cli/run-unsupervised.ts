// --no-supervise: 1.6's model. Starts the workers, watches their first 100 ms side
// by side, prints one line each, and leaves nothing of itself behind.
import { defaults, type Config } from '../core/config.ts';
import { exitStatus } from '../core/errors.ts';
import type { WorkerEnd } from '../core/pool.ts';
import type { Sessions } from '../supervisor/interfaces.ts';
import type { Caller } from '../sys/caller.ts';
import { tellFront, type Front } from '../sys/front.ts';
import { adoptOrphans } from '../sys/process-self.ts';
import { reapRest, watchChildren } from '../sys/reaper.ts';
import { SessionFreezer } from '../sys/session-freeze.ts';
import { commandLineOf, ProcessTemplate, workerEnvironment } from '../sys/spawn-worker.ts';
import { servesConnections } from '../sys/waiting.ts';
import { workerSessions } from '../sys/worker-sessions.ts';
import type { PreparedPool } from './prepared-pool.ts';
import { printError, printFailure, printHint, printLine } from './print.ts';
import { describeFirstEnd, explainStartFailure } from './start-failure.ts';
import type { StartJournal } from './start-journal.ts';
import { watchSignals } from './watch-signals.ts';

interface Child {
  readonly pid: number;
  state: 'young' | 'up' | WorkerEnd;
}

const lookMs = 2;
/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const lastReapMs = 20;

export function runUnsupervised(
  config: Config,
  caller: Caller,
  prepared: PreparedPool,
  journal: StartJournal,
  front: Front | undefined,
): void {
  const { socket, nowhere, proc } = prepared;
  const streams = { stdin: socket.descriptor, stdout: nowhere, stderr: nowhere };
  const environment = workerEnvironment(caller.environment, config.phpChildren);
  const template = new ProcessTemplate(
    commandLineOf(config.program, caller),
    environment,
    streams,
    caller.fileLimit,
  );
  const startedMs = performance.now();
  let interrupted = false;
  watchSignals({
    stop: () => (interrupted = true),
    reload: () => undefined,
    reopen: () => undefined,
    scale: () => undefined,
    ignored: () => undefined,
    hangupStops: true,
  });
  journal.inherited(socket.inode);
  adoptOrphans();
  const children = Array.from({ length: config.workers }, (): Child => {
    const result = template.spawn();
    if ('errno' in result) return { pid: 0, state: { kind: 'not-executed', errno: result.errno } };
    journal.started(result.pid, proc);
    return { pid: result.pid, state: 'young' };
  });
  const reap = watchChildren((pid, exit) => {
    const child = children.find((candidate) => candidate.pid === pid);
    if (child) child.state = exit;
  });

  const sessions = workerSessions(proc, new SessionFreezer(proc, socket));
  const end = (doomed: readonly Child[], done: () => void): void => endAll(sessions, reap, doomed, done);
  const look = (): void => {
    // Before any verdict: a child may have died before SIGCHLD had a handler.
    reap();
    if (interrupted || front?.isGone()) return end(children, () => abandon(journal));
    const isOver = performance.now() - startedMs >= defaults.upAfterMs;
    for (const child of children.filter((candidate) => candidate.state === 'young')) {
      if (isOver || (proc && servesConnections(proc, child.pid, socket))) child.state = 'up';
    }
    if (children.some((child) => child.state === 'young')) setTimeout(look, lookMs);
    else {
      // What a worker that died has left of its session is nobody's.
      end(
        children.filter((child) => !isAlive(child)),
        () => (interrupted ? look() : finish(config, prepared, journal, children)),
      );
    }
  };
  setTimeout(look, 1);
}

function isAlive({ state }: Child): boolean {
  return state === 'young' || state === 'up';
}

/** Ends these workers, those that live and what the others left, with everything in their sessions. */
function endAll(
  sessions: Sessions,
  reap: () => void,
  children: readonly Child[],
  done: () => void,
  deadlineMs = performance.now() + afterKillMs,
): void {
  reap();
  const started = children.filter((child) => child.pid > 0);
  const alive = started.filter(isAlive);
  sessions.signalWorkers(
    alive.map(({ pid }) => pid),
    'SIGKILL',
  );
  const dead = started.filter((child) => !isAlive(child)).map(({ pid }) => pid);
  const left = dead.length > 0 ? sessions.signalLeftovers(dead, 'SIGKILL') : [];
  if ((alive.length === 0 && left.length === 0) || performance.now() >= deadlineMs) return done();
  setTimeout(() => endAll(sessions, reap, children, done, deadlineMs), lookMs);
}

/** The command was interrupted: nothing that it started stays. */
function abandon(journal: StartJournal): void {
  journal.undo();
  reapRest(lastReapMs);
  tellFront(exitStatus.failed);
  process.exit(exitStatus.failed);
}

function finish(
  config: Config,
  prepared: PreparedPool,
  journal: StartJournal,
  children: readonly Child[],
): void {
  const up = children.filter((child) => child.state === 'up');
  let status: number = exitStatus.ok;
  try {
    if (up.length > 0) prepared.pidFile?.write(up.map((child) => child.pid).join('\n'));
  } catch (error) {
    // 1.6 goes on without the file: the workers run.
    printFailure(error);
  }
  // Before anything is printed that could keep us waiting for a reader.
  if (up.length > 0) journal.keep();
  else journal.undo();
  for (const child of children) status = report(child) ?? status;
  const [first] = children;
  if (up.length === 0 && first && typeof first.state === 'object') {
    explainStartFailure(config, first.state).forEach(printHint);
  }
  prepared.files?.release();
  journal.awaitGuard();
  reapRest(up.length > 0 ? 0 : lastReapMs);
  tellFront(status);
  process.exit(status);
}

/** Prints the child's line as 1.6 does; its status when it died, which becomes the command's. */
function report(child: Child): number | undefined {
  const { state, pid } = child;
  if (typeof state === 'string') {
    printLine(`child spawned successfully: PID: ${pid}`);
    return undefined;
  }
  printError(describeFirstEnd(state));
  if (state.kind === 'not-executed') return state.errno;
  return state.kind === 'exited' ? state.status : exitStatus.failed;
}
