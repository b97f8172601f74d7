// From a TARGET to the one pool that it names, by the base directories. What is
// found in a PID file is only a name to look a pool up by.
import { basename, dirname, join } from 'node:path';
import { SpawnFcgiError } from '../../core/errors.ts';
import { noProcess } from '../../core/no-process.ts';
import { baseDirectories, type RuntimeDirectories } from '../../sys/file/base-directories.ts';
import { findForeignPool, findForeignPools, releaseForeignPools } from '../../sys/file/foreign-pools.ts';
import {
  readPath,
  readPoolDirectory,
  type PoolDirectory,
  type PoolEntry,
} from '../../sys/file/pool-directory.ts';
import { isProcess } from '../../sys/proc/process-look.ts';
import { resolveLinks } from '../../sys/path/resolve-links.ts';
import { maxPort, parseEndpoint, parseTarget } from './parse-target.ts';
import {
  describeEntry,
  describeUser,
  isReadable,
  preferred,
  prove,
  type Pool,
  type Proved,
} from './pools.ts';
import { printable } from '../../core/text/printable.ts';
import { addressesOf } from './ip-addresses.ts';
import { refuseDirectory, refuseMisguidance, refusePermission, refuseUsage } from './refuse-target.ts';
import { ctlStatus } from '../statuses.ts';

/** The pools of this machine as far as the caller may look. */
export class PoolFinder {
  readonly #directories: readonly PoolDirectory[];
  readonly #entries: readonly PoolEntry[];
  /** Root looks for pools of everybody, unless told where. */
  readonly #seesEverybody: boolean;
  /** Why killed pools could not be looked at. */
  readonly problem: string | undefined;

  private constructor(directories: readonly PoolDirectory[], proved: Proved, seesEverybody: boolean) {
    this.#directories = directories;
    this.#entries = proved.entries;
    this.problem = proved.problem;
    this.#seesEverybody = seesEverybody;
  }

  static async open(stateDir: string | undefined, runtime: RuntimeDirectories): Promise<PoolFinder> {
    const isNamed = stateDir !== undefined;
    const seesEverybody = isRoot() && !isNamed;
    const paths = baseDirectories(stateDir, runtime);
    // Root's pools are not ours to control, but ours to name.
    const all = isNamed || isRoot() ? paths : [...paths, '/run/spawn-fcgi'];
    const directories = all.map((path) => readPoolDirectory(path, isNamed));
    const [first] = directories;
    if (isNamed && first?.kind === 'not-permitted') throw refuseDirectory(first.path, first.reason);
    const found = directories.filter((one) => one.kind === 'found');
    const own = found.flatMap(({ entries }) => entries);
    const known = new Set(found.map(({ identity }) => identity));
    const entries = seesEverybody ? [...own, ...findForeignPools(known)] : own;
    return new PoolFinder(directories, await prove(entries), seesEverybody);
  }

  /** Lets go of what its pools are reached through; for who looks again and again. */
  close(): void {
    releaseForeignPools();
  }

  /** Every pool that we may read. */
  all(): Pool[] {
    return this.#entries.filter(isReadable);
  }

  /** Pools of other users. */
  get hiddenCount(): number {
    return this.#entries.length - this.all().length;
  }

  /** The pool that the target names; throws the reason why there is none. */
  async find(text: string): Promise<Pool> {
    const pool = await this.#lookUp(text);
    if (isRoot()) refuseMisguidance(text, pool);
    return pool;
  }

  async #lookUp(text: string): Promise<Pool> {
    const target = parseTarget(text);
    switch (target?.kind) {
      case undefined:
        throw refuseUsage(
          `'${printable(text)}' is no target; give a PID file, a socket, address:port or a PID`,
        );
      case 'number':
        return this.#findNumber(text, target.number);
      case 'tcp':
        return this.#only(text, await this.#listeningOn(target.host, target.port));
      case 'abstract':
        return this.#only(
          text,
          this.#entries.filter((entry) => addressOf(entry) === text),
        );
      case 'path':
        return this.#findPath(target.path);
    }
  }

  #findNumber(text: string, number: number): Pool {
    const found = [...this.#ofPid(number), ...this.#onPort(number)];
    if (found.length === 0) this.#refuseNumber(text, number);
    return this.#only(text, [...new Set(found)]);
  }

  #findPath(path: string): Pool {
    const content = readPath(path);
    const names = new Set([nameSocket(path), resolveLinks(path)]);
    const found = this.#entries.filter((entry) => names.has(addressOf(entry)));
    // A file in the place of a pool's socket is no PID file because of that.
    if (found.length > 0) return this.#only(path, found);
    if (content.kind === 'pid-file') return this.#findPidFile(path, content.text);
    if (content.kind === 'not-permitted') throw refusePermission(`'${printable(path)}' cannot be read`);
    const what = content.kind === 'absent' ? 'is not there, and no' : 'is no PID file, and no';
    throw this.#refuse(path, `it ${what} pool has it as its socket`);
  }

  #findPidFile(path: string, text: string): Pool {
    if (text.trim() === '') throw this.#refuse(path, 'the PID file is empty');
    const pid = /^\s*(\d{1,10})\s*$/.exec(text)?.[1];
    if (pid === undefined) throw this.#refuse(path, 'the file does not hold one PID');
    if (Number(pid) === noProcess) throw this.#refuse(path, 'the pool of this PID file was stopped');
    const found = this.#ofPid(Number(pid));
    if (found.length === 0) this.#refusePid(path, Number(pid));
    return this.#only(path, found);
  }

  #ofPid(pid: number): PoolEntry[] {
    const found = this.#entries.filter(({ state }) => state?.pid === pid);
    return found.length === 0 && this.#seesEverybody ? findForeignPool(pid) : found;
  }

  #onPort(port: number): PoolEntry[] {
    return this.#entries.filter((entry) => parseEndpoint(addressOf(entry))?.port === port);
  }

  /** Pools on the port that the host leads to: on that very address, else on all addresses. */
  async #listeningOn(host: string, port: number): Promise<PoolEntry[]> {
    const onPort = this.#onPort(port);
    if (host === '' || onPort.length === 0) return onPort;
    const ips = await addressesOf(host);
    for (const ip of ips) {
      const exact = onPort.filter((entry) => ipOf(entry) === ip);
      if (exact.length > 0) return exact;
    }
    const takesFour = ips.some((ip) => !ip.includes(':'));
    const takesSix = ips.some((ip) => ip.includes(':'));
    return onPort.filter(
      (entry) => (takesFour && ipOf(entry) === '0.0.0.0') || (takesSix && ipOf(entry) === '::'),
    );
  }

  #only(text: string, all: readonly PoolEntry[]): Pool {
    const found = preferred(all);
    const [first, ...others] = found;
    if (!first) throw this.#refuse(text);
    if (others.length > 0) {
      const names = found.map((entry) => describeEntry(entry)).join(', ');
      throw refuseUsage(`'${printable(text)}' is ambiguous: ${names}`);
    }
    if (isReadable(first)) return first;
    throw refusePermission(`the pool on ${printable(first.address)} belongs to ${describeUser(first.uid)}`);
  }

  /** Whoever names what is no process means a port, if it can be one. */
  #refuseNumber(text: string, number: number): never {
    if (number > maxPort) this.#refusePid(text, number);
    if (!isProcess(number)) throw this.#refuse(text, `no pool on port ${number}`);
    this.#refusePid(text, number, `no pool on port ${number}, and `);
  }

  #refusePid(text: string, pid: number, prefix = ''): never {
    const owner = this.all().find(({ state }) => state.workers.some((worker) => worker.pid === pid));
    if (owner) throw this.#refuse(text, `PID ${pid} is a worker of ${describeEntry(owner)}`);
    if (!isProcess(pid)) throw this.#refuse(text, `there is no process ${pid}`);
    if (this.hiddenCount > 0)
      throw refusePermission(`${prefix}PID ${pid} is no pool of yours, and those of other users are hidden`);
    throw this.#refuse(text, `${prefix}PID ${pid} is no supervisor that is known here`);
  }

  #refuse(text: string, reason?: string): SpawnFcgiError {
    const unread = this.#directories.flatMap((one) =>
      one.kind === 'not-permitted' ? [`${one.path} was not searched: ${one.reason}`] : [],
    );
    const reasons = [reason, ...unread, this.problem]
      .filter((one) => one !== undefined)
      .map((one) => `; ${printable(one)}`);
    return new SpawnFcgiError(`no such pool: '${printable(text)}'${reasons.join('')}`, {
      exitCode: ctlStatus.noSuchPool,
    });
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function addressOf(entry: PoolEntry): string {
  return entry.state?.address ?? entry.address;
}

function ipOf(entry: PoolEntry): string | undefined {
  return parseEndpoint(addressOf(entry))?.ip;
}

/** The socket's path as pools name themselves (nameAddress): links of the directory part resolved, the name as given. */
function nameSocket(path: string): string {
  return join(resolveLinks(dirname(path)), basename(path));
}
