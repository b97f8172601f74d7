// --no-supervise: 1.6's model. Starts the workers, watches their first 100 ms side
// by side, prints one line each, and leaves nothing of itself behind.
import { defaults } from '../core/config.ts';
import { exitStatus } from '../core/errors.ts';
import type { WorkerEnd } from '../core/worker-exit.ts';
import type { Sessions } from '../core/machine.ts';
import { Descendants } from '../sys/session/descendants.ts';
import { tellFront, type Front } from '../sys/process/front.ts';
import { SessionLeftovers } from '../sys/session/leftovers.ts';
import { adoptOrphans } from '../sys/process/process-self.ts';
import { reapRest, watchChildren } from '../sys/process/reaper.ts';
import { SessionFreezer } from '../sys/session/session-freeze.ts';
import { commandLineOf, ProcessTemplate, workerEnvironment } from '../sys/process/spawn-worker.ts';
import { servesConnections } from '../sys/proc/waiting.ts';
import { workerSessions } from '../sys/session/worker-sessions.ts';
import { FeatureList } from '../features/feature-list.ts';
import { workerFeatures } from './worker-features.ts';
import type { UnsupervisedStart } from '../start/prepared-pool.ts';
import { printError, printFailure, printHint, printLine } from '../start/report/print.ts';
import { describeFirstEnd, explainStartFailure } from '../start/report/start-failure.ts';
import { watchSignals } from '../start/watch-signals.ts';

interface Child {
  readonly pid: number;
  state: 'young' | 'up' | WorkerEnd;
  /** It has ended, and left nothing. */
  isOver?: boolean;
}

const lookMs = 2;
/** After KILL the kernel needs a moment; longer than this is a process in uninterruptible sleep. */
const afterKillMs = 2000;
const lastReapMs = 20;

export function runUnsupervised(start: UnsupervisedStart, front: Front | undefined): void {
  new UnsupervisedRun(start, front).begin();
}

class UnsupervisedRun {
  readonly #start: UnsupervisedStart;
  readonly #front: Front | undefined;
  readonly #template: ProcessTemplate;
  readonly #features: FeatureList;
  readonly #descendants: Descendants | undefined;
  readonly #sessions: Sessions;
  #startedMs = 0;
  #children: readonly Child[] = [];
  #reap: () => void = () => undefined;
  #isInterrupted = false;

  constructor(start: UnsupervisedStart, front: Front | undefined) {
    const { config, caller, allowed, socket, nowhere, proc, journal } = start;
    this.#start = start;
    this.#front = front;
    this.#features = new FeatureList(printFailure);
    this.#features.add(...workerFeatures(config));
    this.#template = new ProcessTemplate(
      commandLineOf(config.program, caller),
      this.#features.equip(workerEnvironment(caller.environment, config.phpChildren)),
      { stdin: socket.descriptor, stdout: nowhere, stderr: nowhere },
      caller.fileLimit,
      undefined,
      allowed.attributes,
    );
    this.#descendants = proc && new Descendants(proc, journal.guardPid);
    const left = proc && new SessionLeftovers(proc, this.#descendants, socket);
    this.#sessions = workerSessions(proc, new SessionFreezer(proc, socket), left);
  }

  begin(): void {
    const { config, journal, socket } = this.#start;
    this.#startedMs = performance.now();
    watchSignals({
      stop: () => (this.#isInterrupted = true),
      reload: () => undefined,
      reopen: () => undefined,
      scale: () => undefined,
      ignored: () => undefined,
      hangupStops: true,
    });
    journal.inherited(socket.inode);
    adoptOrphans();
    this.#children = Array.from({ length: config.workers }, (_unused, slot) => this.#spawn(slot));
    this.#reap = watchChildren((pid, exit) => {
      this.#descendants?.childEnded(pid);
      const child = this.#children.find((candidate) => candidate.pid === pid);
      if (!child) return;
      child.state = exit;
      child.isOver = this.#sessions.isOver(pid);
    });
    setTimeout(() => this.#look(), 1);
  }

  #spawn(slot: number): Child {
    const { journal, proc } = this.#start;
    const result = this.#features.start({ slot, role: 'worker' }, (own) => this.#template.spawn(own));
    if ('errno' in result) return { pid: 0, state: { kind: 'not-executed', errno: result.errno } };
    journal.started(result.pid, proc);
    return { pid: result.pid, state: 'young' };
  }

  #look(): void {
    // Before any verdict: a child may have died before SIGCHLD had a handler.
    this.#reap();
    if (this.#isInterrupted || this.#front?.isGone()) {
      return this.#end(this.#children, () => this.#abandon());
    }
    const isOver = performance.now() - this.#startedMs >= defaults.upAfterMs;
    for (const child of this.#children) {
      if (child.state === 'young' && (isOver || this.#serves(child))) child.state = 'up';
    }
    if (this.#children.some((child) => child.state === 'young')) setTimeout(() => this.#look(), lookMs);
    // What a worker that died has left of its session is nobody's.
    else
      this.#end(
        this.#children.filter((child) => !isAlive(child)),
        () => this.#conclude(),
      );
  }

  #serves({ pid }: Child): boolean {
    const { proc, socket } = this.#start;
    return proc !== undefined && servesConnections(proc, pid, socket);
  }

  #conclude(): void {
    if (this.#isInterrupted) this.#look();
    else this.#finish();
  }

  /** Ends these workers, those that live and what the others left, with everything in their sessions. */
  #end(children: readonly Child[], done: () => void, deadlineMs = performance.now() + afterKillMs): void {
    this.#reap();
    const started = children.filter((child) => child.pid > 0);
    const alive = started.filter(isAlive);
    this.#sessions.signalWorkers(
      alive.map(({ pid }) => pid),
      'SIGKILL',
    );
    const dead = started.filter((child) => !isAlive(child) && child.isOver === false).map(({ pid }) => pid);
    const { members, isCertain } = this.#sessions.signalLeftovers(dead, 'SIGKILL');
    const isEmpty = alive.length === 0 && members.length === 0 && isCertain;
    if (isEmpty || performance.now() >= deadlineMs) return done();
    setTimeout(() => this.#end(children, done, deadlineMs), lookMs);
  }

  /** The command was interrupted: nothing that it started stays. */
  #abandon(): void {
    this.#start.journal.undo();
    reapRest(lastReapMs);
    tellFront(exitStatus.failed);
    process.exit(exitStatus.failed);
  }

  #finish(): void {
    const { files, journal } = this.#start;
    const up = this.#children.filter((child) => child.state === 'up');
    if (up.length > 0) this.#writePids(up);
    // Before anything is printed that could keep us waiting for a reader.
    if (up.length > 0) journal.keep();
    else journal.undo();
    let status: number = exitStatus.ok;
    for (const child of this.#children) status = report(child) ?? status;
    if (up.length === 0) this.#explain();
    files?.release();
    journal.awaitGuard();
    reapRest(up.length > 0 ? 0 : lastReapMs);
    tellFront(status);
    process.exit(status);
  }

  #writePids(up: readonly Child[]): void {
    try {
      this.#start.pidFile?.write(up.map((child) => child.pid).join('\n'));
    } catch (error) {
      // 1.6 goes on without the file: the workers run.
      printFailure(error);
    }
  }

  #explain(): void {
    const [first] = this.#children;
    if (!first || typeof first.state === 'string') return;
    explainStartFailure(this.#start.config, first.state).forEach(printHint);
  }
}

function isAlive({ state }: Child): boolean {
  return state === 'young' || state === 'up';
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
