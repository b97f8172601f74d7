// What to do about an address that could not be bound.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, SpawnFcgiError } from '../../core/errors.ts';
import { formatAddress, type BoundAddress } from '../../core/pool-id.ts';
import type { WorkerRecord } from '../../core/pool-state.ts';
import { E } from '../../sys/libc/libc.ts';
import { maySeeAllProcesses } from '../../sys/process/identity.ts';
import { findHolder, listenersAt } from '../../sys/proc/port-holder.ts';
import { mayBeMoved } from '../source/judge-holders.ts';
import type { ProcFs } from '../../sys/proc/proc-fs.ts';

/** 1.6's words for an address that is taken. */
export function lineInUse({ kind }: BoundAddress): string {
  return kind !== 'tcp' ? "socket is already in use, can't spawn" : 'bind failed: Address already in use';
}

/** Whether the refusal says that somebody else listens there. */
export function isInUse(error: unknown): boolean {
  return (
    error instanceof SpawnFcgiError &&
    (errnoOf(error.cause) === E.ADDRINUSE || error.message.includes('already in use'))
  );
}

/** The same refusal with hints for it. */
export function withBindHints(
  error: unknown,
  address: BoundAddress,
  proc: ProcFs | undefined,
  orphans: readonly WorkerRecord[],
): unknown {
  if (!(error instanceof SpawnFcgiError)) return error;
  const hints = isInUse(error)
    ? describeHolder(address, proc, orphans)
    : describeFailure(errnoOf(error.cause), address);
  return new SpawnFcgiError(error.message, {
    exitCode: error.exitCode,
    hints: [...error.hints, ...hints],
    cause: error,
  });
}

function describeHolder(
  address: BoundAddress,
  proc: ProcFs | undefined,
  orphans: readonly WorkerRecord[],
): string[] {
  const where = formatAddress(address);
  if (orphans.length > 0) {
    const pids = orphans.map((worker) => worker.pid).join(' ');
    return [
      `workers of a pool on ${where} whose supervisor was killed still serve: PID ${pids}; end them first: kill ${pids}`,
    ];
  }
  const holder = proc && findHolder(proc, address);
  if (holder)
    return [`${where} is held by PID ${holder.pid} (${holder.comm})${describeOffer(address, proc)}`];
  const tool = address.kind === 'tcp' ? `ss -ltnp 'sport = :${address.port}'` : `ss -lxp src ${where}`;
  if (process.getuid?.() === 0 && !maySeeAllProcesses()) {
    return [
      `${where} is held by a process of another user, and without CAP_SYS_PTRACE root cannot look into that; workers whose supervisor was killed end with their container: restart it`,
    ];
  }
  if (process.getuid?.() === 0)
    return [`${where} is held by a process that cannot be seen from here; try ${tool}`];
  return [`${where} is held by a process that this user may not look into; as root: ${tool}`];
}

/** What --replace would do about it. */
function describeOffer(address: BoundAddress, proc: ProcFs): string {
  if (listenersAt(proc, address).size === 0)
    return ', which listens on another address of that port: --replace takes over the very address only';
  return mayBeMoved(proc, address)
    ? '; nobody supervises it, as 1.6 leaves it: with --replace a start that supervises takes its socket over, and ends it without a lost request'
    : '';
}

function describeFailure(errno: number, address: BoundAddress): string[] {
  if (address.kind === 'tcp') return describeTcpFailure(errno, address.ip, address.port);
  if (address.kind === 'abstract') return [];
  if (errno === E.NOENT) return describeMissing(address.path);
  if (errno === E.ROFS)
    return [
      `${address.path} is on a read-only file system: mount one that can be written there, such as a tmpfs`,
    ];
  return errno === E.ACCES ? [`this user may not create files in the directory of ${address.path}`] : [];
}

function describeTcpFailure(errno: number, ip: string, port: number): string[] {
  if (errno === E.ACCES && port < 1024 && process.getuid?.() !== 0) {
    return [`only root can bind ports below 1024: run as root with -u, or take a port from 1024 on`];
  }
  return errno === E.ADDRNOTAVAIL ? [`no interface of this machine has the address ${ip}`] : [];
}

/** In the notation of other programs (`unix:/run/x`) the directory is not what is wrong. */
function describeMissing(path: string): string[] {
  if (/(?:^|\/)(?:unix|local|tcp):/.test(path) || existsSync(dirname(path))) return [];
  return [`the directory of ${path} does not exist: create it first`];
}
