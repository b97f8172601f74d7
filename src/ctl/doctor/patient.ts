// What doctor knows of one pool, or of one address: looked at when a check asks for it, and once.
import { ask, type Outcome } from '../../control/client.ts';
import { hasWorkers, type PoolStatus } from '../../control/protocol.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import { ProcFs } from '../../sys/proc/proc-fs.ts';
import { credentialsOf } from '../../sys/proc/credentials.ts';
import { hasOurMounts } from '../../sys/proc/process-look.ts';
import { listenersOn, lostListenersOf, type Listener } from '../../sys/socket-state/listener-look.ts';
import { isOwnAddress } from '../../sys/socket-state/own-addresses.ts';
import { withLivingPids } from '../status/living-pids.ts';
import { ownerOf, type Pool } from '../target/pools.ts';
import { leadsTo, type Pass } from './web-server/pass.ts';
import type { WebServer } from './web-server/find-web-servers.ts';

/** A PID file that was given as the target and leads to no pool. */
export interface LostPidFile {
  readonly path: string;
  /** For people: what is wrong with it. */
  readonly problem: string;
}

export interface PatientFacts {
  /** For people. */
  readonly name: string;
  readonly address: BoundAddress | undefined;
  readonly pool?: Pool | undefined;
  /** What its supervisor said, or why it said nothing. */
  readonly outcome?: Outcome | undefined;
  readonly pidFile?: LostPidFile | undefined;
  readonly servers: readonly WebServer[];
  /** Pools that the caller may see. */
  readonly pools: readonly Pool[];
  readonly uri: string | undefined;
  readonly timeoutMs: number;
}

export interface ServerPass extends Pass {
  readonly server: WebServer;
}

let proc: ProcFs | undefined;

export class Patient {
  readonly facts: PatientFacts;
  /** What could not be seen, and why. */
  readonly unseen: string[] = [];
  #status: PoolStatus | undefined;
  #listeners: readonly Listener[] | undefined;
  #lost: readonly Listener[] | undefined;

  constructor(facts: PatientFacts) {
    this.facts = facts;
    for (const { unread } of facts.servers) this.unseen.push(...unread);
  }

  get name(): string {
    return this.facts.name;
  }

  get address(): BoundAddress | undefined {
    return this.facts.address;
  }

  get addressText(): string | undefined {
    const { address } = this.facts;
    return address && formatAddress(address);
  }

  get pool(): Pool | undefined {
    return this.facts.pool;
  }

  /** Undefined: there is no supervisor, or it does not answer. */
  get status(): PoolStatus | undefined {
    return (this.#status ??= statusIn(this.facts.outcome));
  }

  /** /proc; undefined where it is not ours to go by. */
  get proc(): ProcFs | undefined {
    return (proc ??= ProcFs.open());
  }

  /** Sockets that listen on the address. */
  get listeners(): readonly Listener[] {
    const { proc: looks, address } = this;
    return (this.#listeners ??= looks && address ? listenersOn(looks, address) : []);
  }

  /** Whether a path means the same to its supervisor, and is worth looking at; undefined: that is not ours to see. */
  get sharesMounts(): boolean | undefined {
    // What another user's pool says of paths must not tell root what to open to him.
    if (this.pool?.isForeign === true) return false;
    return this.pool ? hasOurMounts(this.pool.state.pid) : true;
  }

  /** The same, where most probably it does if it cannot be seen. */
  get seesOurFiles(): boolean {
    return this.sharesMounts ?? true;
  }

  /** Whether the process may be what another user's pool says it is: root must not be told to end others for him. */
  mayBelong(pid: number): boolean {
    const { pool } = this;
    return pool?.isForeign !== true || credentialsOf(pid)?.uid === pool.uid;
  }

  /** Whether the address leads to a socket of the pool, as we see it. */
  get isReached(): boolean {
    const own = new Set(this.pool?.state.sockets);
    return this.listeners.some(({ inode }) => own.has(inode));
  }

  /** Sockets of that name that nobody can reach. */
  get lostListeners(): readonly Listener[] {
    const { proc: looks, address } = this;
    return (this.#lost ??= looks && address ? lostListenersOf(looks, address, this.listeners) : []);
  }

  /** Everything that web servers pass on. */
  get allPasses(): ServerPass[] {
    return this.facts.servers.flatMap((server) => server.passes.map((pass) => ({ ...pass, server })));
  }

  /** What they pass on to this address. */
  get passes(): ServerPass[] {
    const { address } = this;
    if (!address) return [];
    return this.allPasses.filter(({ addresses }) => addresses.some((one) => leadsTo(one, address)));
  }

  /** Who listens on some other address. */
  listenersOnOther(address: BoundAddress): readonly Listener[] {
    return this.proc ? listenersOn(this.proc, address) : [];
  }

  /** Whether nobody does; false where that is not ours to see. */
  isDead(address: BoundAddress): boolean {
    return this.proc !== undefined && !isElsewhere(address) && this.listenersOnOther(address).length === 0;
  }

  /** Asks the supervisor once more; undefined: it does not answer any more. */
  async statusNow(): Promise<PoolStatus | undefined> {
    const { pool, timeoutMs } = this.facts;
    return pool && statusIn(await askStatus(pool, timeoutMs));
  }
}

/** On another machine, or in a network namespace that is not ours: what listens there is not to be seen. */
export function isElsewhere(address: BoundAddress): boolean {
  return address.kind === 'tcp' && !isOwnAddress(address.ip);
}

export function askStatus(pool: Pool, timeoutMs: number): Promise<Outcome> {
  return ask(pool.controlPath, { command: 'status' }, { timeoutMs, owner: ownerOf(pool) });
}

function statusIn(outcome: Outcome | undefined): PoolStatus | undefined {
  if (outcome?.kind !== 'result' || !outcome.result.ok) return undefined;
  const { pool } = outcome.result;
  return hasWorkers(pool) ? withLivingPids([pool])[0] : undefined;
}
