// A step of a start: connects to the service manager that wants to hear of it (sd_notify(3)), before chroot and the drop
// of privileges. A pool that is taken over may belong to a unit of its own: whoever takes it becomes part of that.
import { SpawnFcgiError } from '../../core/errors.ts';
import { parseWhole } from '../../core/quantity.ts';
import { findFault, ManagerSocket } from '../../sys/connection/manager-socket.ts';
import { libc } from '../../sys/libc/libc.ts';
import { readVariable, type Caller } from '../../sys/process/caller.ts';
import {
  controlGroupsOf,
  joinControlGroups,
  unitName,
  type ControlGroups,
} from '../../sys/process/control-group.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';
import type { Gift } from '../source/handover-lines.ts';
import { printHint } from '../report/print.ts';
import type { Given } from '../start-given.ts';
import type { Claimed } from './claim-place.ts';
import type { Place } from './find-place.ts';

/** What is for the supervisor, and what its workers must not take for theirs. */
const variables = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'FDSTORE'] as const;

/** Name of the feature, and of its gift. */
export const managerFeature = 'service-manager';

export interface Manager {
  readonly socket: ManagerSocket;
  /** How often it wants a sign of life, at least; undefined: never. */
  readonly watchdogUsec: number | undefined;
  /** It keeps descriptors for the next start. */
  readonly keepsDescriptors: boolean;
  /** It is the manager of the pool's former supervisor, whose unit this one is a part of by now. */
  readonly isGivers: boolean;
  /** It is known by the gift of that supervisor alone, and may hear nobody but the main process of the unit. */
  readonly isGift: boolean;
}

export interface Managed {
  /** Undefined: nobody wants to hear. */
  readonly manager: Manager | undefined;
  /** Without what was meant for us. */
  readonly caller: Caller;
}

type Have = Pick<Given, 'config' | 'caller' | 'proc'> & Pick<Claimed, 'claim'> & Pick<Place, 'address'>;

export function openManager(have: Have): Managed {
  const { caller, claim } = have;
  const name = readVariable(caller.environment, 'NOTIFY_SOCKET');
  const own = name === undefined || name === '' ? undefined : connectOwn(name, have);
  const isForUs = name !== undefined && name !== '';
  return {
    manager: own ?? (isForUs || !claim.giver ? undefined : takeGivers(have)),
    caller: isForUs ? { ...caller, environment: withoutOurs(caller.environment) } : caller,
  };
}

function withoutOurs(environment: readonly Buffer[]): Buffer[] {
  const prefixes = variables.map((variable) => Buffer.from(`${variable}=`));
  return environment.filter(
    (entry) => !prefixes.some((prefix) => entry.subarray(0, prefix.length).equals(prefix)),
  );
}

/** Nothing fails because nobody listens. */
function connectOwn(name: string, { caller, claim, proc }: Have): Manager | undefined {
  const fault = findFault(name);
  if (fault !== undefined) {
    printHint(`nobody is told that the pool is up: NOTIFY_SOCKET is '${name}', and ${fault}`);
    return undefined;
  }
  const socket = ManagerSocket.connect(name);
  if (typeof socket === 'number') {
    printHint(`nobody is told that the pool is up: NOTIFY_SOCKET '${name}': ${libc.strerror(-socket)}`);
    return undefined;
  }
  const isGivers = claim.giver !== undefined && isOfOneUnit(proc, claim.giver.state.pid);
  // A command of the unit (ExecReload=) is told where the manager listens, and no more.
  const told = isGivers ? parseGift(giftOf(claim)?.data) : undefined;
  return {
    socket,
    watchdogUsec: readWatchdog(caller) ?? told?.watchdogUsec,
    keepsDescriptors:
      Number(readVariable(caller.environment, 'FDSTORE')) >= 1 || told?.keepsDescriptors === true,
    isGivers,
    isGift: false,
  };
}

/** Beats are meant from the main process: in the background that is the command, in whose place we come. */
function readWatchdog({ environment, front }: Caller): number | undefined {
  const usec = parseWhole(readVariable(environment, 'WATCHDOG_USEC') ?? '', 1, Number.MAX_SAFE_INTEGER);
  const pid = readVariable(environment, 'WATCHDOG_PID');
  if (usec === undefined || pid === undefined || Number(pid) === (front ?? process.pid)) return usec;
  printHint(
    `no watchdog is answered: WATCHDOG_PID is ${pid}, and this is PID ${front ?? process.pid}; let the unit execute spawn-fcgi itself, not by a script`,
  );
  return undefined;
}

function isOfOneUnit(proc: ProcFs | undefined, giver: number): boolean {
  const [ours, theirs] = [proc && controlGroupsOf(proc, 'self'), proc && controlGroupsOf(proc, giver)];
  return ours?.unit === theirs?.unit;
}

/** The manager that the giver speaks to; undefined: to none, or the pool is to be another unit's. */
function takeGivers(have: Have): Manager | undefined {
  const { claim, caller, config } = have;
  const gift = giftOf(claim);
  const [descriptor] = gift?.descriptors ?? [];
  const told = parseGift(gift?.data);
  if (!claim.giver || descriptor === undefined || told === undefined) return undefined;
  const isUnitsOwn =
    Number(readVariable(caller.environment, 'SYSTEMD_EXEC_PID')) === (caller.front ?? process.pid);
  if (!isOfOneUnit(have.proc, claim.giver.state.pid)) {
    if (isUnitsOwn || config.model === 'foreground') return undefined;
    joinUnit(have, claim.giver.state.pid);
  }
  return { ...told, socket: ManagerSocket.adopt(told.name, descriptor), isGivers: true, isGift: true };
}

function giftOf({ giver }: Claimed['claim']): Gift | undefined {
  return giver?.connection.gifts.find(({ feature }) => feature === managerFeature);
}

export interface ManagerGift {
  readonly name: string;
  readonly watchdogUsec: number | undefined;
  readonly keepsDescriptors: boolean;
}

function parseGift(data: unknown): ManagerGift | undefined {
  const { name, watchdogUsec, keepsDescriptors } = (data ?? {}) as Partial<Record<string, unknown>>;
  if (typeof name !== 'string' || findFault(name) !== undefined) return undefined;
  const isTime = Number.isSafeInteger(watchdogUsec) && Number(watchdogUsec) > 0;
  return {
    name,
    watchdogUsec: isTime ? Number(watchdogUsec) : undefined,
    keepsDescriptors: keepsDescriptors === true,
  };
}

/** systemd takes no main process from outside the unit: it would end the unit, and all that is in it, with the old one. */
function joinUnit({ proc, address }: Have, giver: number): void {
  const [ours, theirs] = [proc && controlGroupsOf(proc, 'self'), proc && controlGroupsOf(proc, giver)];
  if (!proc || !ours || !theirs)
    throw refuse(address, undefined, "its supervisor's cgroup cannot be seen from here");
  if (theirs.unit === undefined) return;
  const failure = join(theirs, ours);
  if (failure !== undefined) throw refuse(address, theirs.unit, failure);
  if (controlGroupsOf(proc, 'self')?.unit !== theirs.unit)
    throw refuse(address, theirs.unit, 'its cgroup is not mounted here');
}

function join(theirs: ControlGroups, ours: ControlGroups): string | undefined {
  const result = joinControlGroups(theirs, ours);
  return result < 0 ? `this command may not join its cgroup: ${libc.strerror(-result)}` : undefined;
}

function refuse(address: string, unit: string | undefined, problem: string): SpawnFcgiError {
  const name = unit === undefined ? 'a unit of systemd' : unitName(unit);
  return new SpawnFcgiError(
    `cannot take over the pool on ${address}: it belongs to ${name}, and ${problem}`,
    {
      hints: [
        `as root it can be taken over from anywhere; else let the unit do it: ExecReload=spawn-fcgi --replace ... and systemctl reload ${unit === undefined ? 'UNIT' : name}, or systemctl restart`,
      ],
    },
  );
}
