// Answers at the control socket once the pool is up (node:net is loaded with the first client), and tells those who still
// wait when the pool has ended.
import type { PoolEvent } from '../../core/text/pool-event.ts';
import type { Feature } from '../feature.ts';
import type { Supervisor } from '../../supervisor/supervisor.ts';
import { systemClock } from '../../sys/process/clock.ts';
import { duplicate } from '../../sys/connection/descriptor-passing.ts';
import { PoolActions } from './control-actions.ts';
import type { PoolView } from './pool-view.ts';
import type { FeatureList } from '../feature-list.ts';
import type { WorkerScaling } from '../guards/worker-scaling.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { ReachCheck } from '../shared-socket/reach-check.ts';
import type { SocketRenewal } from '../shared-socket/socket-renewal.ts';
import { ControlServer, type ControlActions, type ControlRights } from '../../control/server.ts';

export interface DeskOptions {
  readonly prepared: PreparedPool;
  readonly supervisor: Supervisor;
  readonly scaling: WorkerScaling;
  readonly view: PoolView;
  readonly renewal: SocketRenewal;
  readonly reach: ReachCheck;
  readonly signalName: (signal: number) => string | undefined;
  readonly describeErrno: (errno: number) => string;
  readonly features: FeatureList;
  readonly log: { write(event: PoolEvent): void };
}

/** To connect is to write. */
const othersWrite = 0o022;

/** How long the last answers may take to leave us. */
const farewellMs = 50;

export class ControlDesk implements Feature {
  readonly #options: DeskOptions;
  #actions: PoolActions | undefined;
  #server: ControlServer | undefined;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  serving(): void {
    const { prepared, supervisor, scaling, features, view, renewal, reach, signalName, describeErrno } =
      this.#options;
    const { config } = prepared;
    if (prepared.files?.control === undefined) return;
    this.#actions = new PoolActions({
      supervisor,
      scaling,
      readyTimeoutMs: config.readyTimeoutMs,
      status: () => view.status(),
      summary: () => view.summary(),
      renewSocket: () => renewal.renew(),
      askReach: (done) => reach.ask(done),
      stop: (reason) => supervisor.stop(reason),
      commands: features.commands(),
      nowMs: () => systemClock.nowMs(),
      signalName,
      describeErrno,
    });
    this.open();
  }

  /** On a copy of the socket: a handover closes the server, and may open it again. */
  open(): void {
    const descriptor = this.#options.prepared.files?.control;
    const actions = this.#actions;
    if (descriptor === undefined || !actions) return;
    const asked: ControlActions = {
      commands: actions.commands,
      carryOut: (request, client) => {
        this.#options.features.happened();
        actions.carryOut(request, client);
      },
      carryOutCommand: (request, command, client) => {
        this.#options.features.happened();
        actions.carryOutCommand(request, command, client);
      },
    };
    this.#server = new ControlServer(duplicate(descriptor), asked, this.#rights());
  }

  /** Where others than its owner can connect, as with --control-group, they may ask, and change nothing. */
  #rights(): ControlRights {
    const { prepared, log } = this.#options;
    const facts = prepared.files?.controlFacts();
    const isShared = facts !== undefined && (facts.mode & othersWrite) !== 0;
    return {
      mayChange: (peer) => !isShared || peer?.uid === 0 || peer?.uid === facts.uid,
      changeAsked: (command, peer) =>
        log.write({ event: 'change-asked', command, uid: peer?.uid, clientPid: peer?.pid }),
    };
  }

  /** Another supervisor serves, or will. */
  close(): void {
    this.#server?.close();
  }

  said(event: PoolEvent): void {
    this.#actions?.tell(event);
  }

  /** The pool has ended: those who wait are told, then `done`. */
  farewell(done: () => void): void {
    if (!this.#server) return done();
    this.#server.close();
    const isWaitedFor = this.#actions?.stopped() ?? false;
    if (isWaitedFor) systemClock.after(farewellMs, done);
    else done();
  }
}
