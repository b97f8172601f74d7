// The web servers of this machine: those that run, as whom, by which configuration; of those that do not run the
// configuration in its usual place. Nothing is run: `nginx -T` would make files that are missing.
import { existsSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { findAccounts, nameOf } from '../../../sys/process/accounts.ts';
import {
  allPids,
  hasOurMounts,
  hasOurRoot,
  parentOf,
  programNameOf,
} from '../../../sys/proc/process-look.ts';
import { credentialsOf } from '../../../sys/proc/credentials.ts';
import type { Configuration, Kind } from './configuration.ts';
import { kinds } from './kinds.ts';
import type { Pass } from './pass.ts';
import { ConfigReader } from './read-config.ts';

export interface WebUser {
  readonly name: string;
  readonly uid: number;
  readonly gids: readonly number[];
}

export interface WebServer {
  readonly kind: string;
  /** Of its first process; undefined: it does not run. */
  readonly pid: number | undefined;
  /** Whom its workers are; undefined: that is not known. */
  readonly user: WebUser | undefined;
  readonly passes: readonly Pass[];
  /** Configuration that could not be read, with the reason. */
  readonly unread: readonly string[];
}

/** `config`: the one configuration that counts, and whoever runs by it. */
export function findWebServers(config: string | undefined): WebServer[] {
  const named = processesByKind();
  const running = runningServers(named);
  if (config !== undefined) {
    const path = resolve(config);
    const by = running.filter((one) => one.config !== undefined && isSameFile(one.config, path));
    if (by.length > 0) return by.map((one) => describe(one, path));
    return [describe({ kind: kindOf(path), pid: undefined, worker: undefined, config: path }, path)];
  }
  // Where one serves, the configuration of another that does not run is mostly left of a package that was removed, or
  // never enabled. The price: where the other has just ended, nothing is said of it either.
  const present = new Set(running.length > 0 ? named.values() : kinds);
  const idle = kinds
    .filter((kind) => present.has(kind) && !running.some((one) => one.kind === kind))
    .flatMap((kind) => {
      const path = kind.paths.find((one) => existsSync(one));
      return path === undefined ? [] : [{ kind, pid: undefined, worker: undefined, config: path }];
    });
  return [...running, ...idle].map((one) => describe(one, one.config));
}

interface Found {
  readonly kind: Kind;
  readonly pid: number | undefined;
  /** The process whose user counts. */
  readonly worker: number | undefined;
  readonly config: string | undefined;
}

function processesByKind(): Map<number, Kind> {
  return new Map(
    allPids().flatMap((pid) => {
      const kind = kinds.find(({ processes }) => processes.includes(programNameOf(pid) ?? ''));
      return kind ? [[pid, kind] as const] : [];
    }),
  );
}

/** First processes of root's or the caller's own: what others run under such a name tells nothing of this machine's. */
function runningServers(named: ReadonlyMap<number, Kind>): Found[] {
  const trusted = new Set([0, process.getuid?.() ?? 0]);
  return [...named].flatMap(([pid, kind]) => {
    const isFirst = named.get(parentOf(pid) ?? 0) !== kind;
    if (!isFirst || !trusted.has(credentialsOf(pid)?.uid ?? -1) || isContained(pid)) return [];
    const children = [...named.keys()].filter((one) => parentOf(one) === pid);
    const worker = children.find((one) => credentialsOf(one)?.uid !== 0) ?? children[0] ?? pid;
    return [{ kind, pid, worker, config: configOf(pid, kind) }];
  });
}

/** One in a container has other files under the same names; a service of systemd's mostly has mounts of its own as well. */
function isContained(pid: number): boolean {
  return hasOurMounts(pid) === false && hasOurRoot(pid) !== true;
}

/** By its command line; nginx writes its own over it, with the arguments behind. */
function configOf(pid: number, kind: Kind): string | undefined {
  const words = readWords(pid);
  const valueOf = (...options: string[]): string | undefined =>
    words[words.findIndex((word) => options.includes(word)) + 1 || words.length];
  const directory = workingDirectory(pid);
  const prefix = valueOf('-p');
  const given = valueOf('-c', '-f', '--config');
  if (given === undefined) return kind.paths.find((path) => existsSync(path));
  if (isAbsolute(given)) return given;
  if (directory === undefined && !(prefix !== undefined && isAbsolute(prefix))) return undefined;
  return join(resolve(directory ?? '/', prefix ?? (kind.name === 'nginx' ? '/etc/nginx' : '.')), given);
}

function readWords(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split(/[\0 ]+/)
      .filter(Boolean);
  } catch {
    return [];
  }
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

function describe({ kind, pid, worker }: Found, config: string | undefined): WebServer {
  const reader = new ConfigReader();
  const read: Configuration =
    config === undefined ? { user: undefined, passes: [] } : kind.read(config, reader);
  const unread = [...reader.unread].map(([path, reason]) => `${path} (${kind.name}): ${reason}`);
  if (config === undefined)
    unread.push(`the configuration of ${kind.name}, PID ${pid}: it is not known where it is`);
  return { kind: kind.name, pid, user: userOf(worker, read.user), passes: read.passes, unread };
}

function userOf(pid: number | undefined, name: string | undefined): WebUser | undefined {
  if (pid === undefined) return name === undefined ? undefined : findAccounts([name])[0];
  const found = credentialsOf(pid);
  return found && { ...found, name: nameOf(found.uid, 'passwd') };
}

function kindOf(path: string): Kind {
  const text = new ConfigReader().read(path) ?? '';
  const [first] = kinds;
  const kind =
    kinds.find(({ name }) => path.toLowerCase().includes(name.toLowerCase())) ??
    kinds.find(({ sign }) => sign.test(text)) ??
    first;
  if (!kind) throw new Error('no web server is known');
  return kind;
}

function isSameFile(one: string, other: string): boolean {
  try {
    return dirname(one) !== '' && realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}
