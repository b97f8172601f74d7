// What no request fails by now, and the next deploy, restart or crash may: an old release, logs that nobody writes, a PID
// file that lies, others on the socket.
import { lstatSync, statfsSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { permission, permits } from '../../../core/file-access.ts';
import { noProcess } from '../../../core/no-process.ts';
import { shellQuote } from '../../../core/text/shell-quote.ts';
import { identityOf, readPath } from '../../../sys/file/pool-directory.ts';
import { hasAccessList } from '../../../sys/path/file-at.ts';
import { wayTo } from '../../../sys/path/way-to.ts';
import { credentialsOf } from '../../../sys/proc/credentials.ts';
import { hasOurMounts, isProcess, openFilesOf, programNameOf } from '../../../sys/proc/process-look.ts';
import { parseWhole } from '../../../core/quantity.ts';
import type { PoolStatus } from '../../../control/protocol.ts';
import type { Check, Finding } from '../check.ts';
import * as words from '../describe.ts';
import { backlogIn } from '../own-command.ts';
import type { Patient } from '../patient.ts';
import { isOthersToChoose } from '../safe-advice.ts';

export const standingChecks: readonly Check[] = [
  { name: 'old-release', look: lookAtRelease },
  { name: 'disk-full', look: lookAtDisk },
  { name: 'log-file', look: lookAtLog },
  { name: 'status-socket', look: lookAtStatusSocket },
  { name: 'pid-of-another', look: lookAtPidFile },
  { name: 'second-server', look: lookForSecond },
  { name: 'leftover', look: lookForLeftovers },
  { name: 'backlog-cut', look: lookAtBacklog },
];

function lookAtRelease(patient: Patient): Finding | undefined {
  const { status } = patient;
  const last = status?.lastReload;
  if (!status || !last || last.result === 'reloaded' || status.operation) return undefined;
  const target = words.targetOf(patient);
  return {
    says: `the last reload failed, and the old release is still in service (generation ${status.generation}): ${last.message}`,
    fix: `see what the new release says: spawn-fcgictl try ${target} --release; put it right, then: spawn-fcgictl reload ${target}`,
    evidence: [
      `${Math.round(last.agoMs / 1000)} s ago: ${last.result}`,
      ...last.words.map((line) => `it said: ${line}`),
    ],
  };
}

/** Where the pool's events and the output of its workers go, as far as that is files. */
function filesOf({ status, seesOurFiles }: Patient): string[] {
  if (!seesOurFiles) return [];
  const log = status?.log?.kind === 'file' ? [status.log.path] : [];
  return [...new Set([...log, ...(status?.output?.files ?? [])])];
}

/** So little is none: a line more may not fit. */
const littleBytes = 16 * 1024;

function lookAtDisk(patient: Patient): Finding | undefined {
  for (const path of filesOf(patient)) {
    const room = roomAt(dirname(path));
    if (!room || room.bytes >= littleBytes) continue;
    return {
      says: `the file system of ${path} is full: what the pool and its workers write there is lost`,
      fix: `make room on ${room.directory}: df -h ${shellQuote(room.directory)}; du -xh ${shellQuote(room.directory)} | sort -h | tail`,
      evidence: [`${room.bytes} bytes are free there for who is not root`],
    };
  }
  return undefined;
}

function roomAt(directory: string): { bytes: number; directory: string } | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return { bytes: bavail * bsize, directory };
  } catch {
    return undefined;
  }
}

/** Renamed or removed and never opened anew, which the supervisor's user may not be able to do. */
function lookAtLog(patient: Patient): Finding | undefined {
  const { pool, status } = patient;
  if (!pool || pool.isForeign || !status) return undefined;
  const { pid } = status;
  for (const path of filesOf(patient)) {
    const { end, missing } = wayTo(path);
    if (isOpenThere(status, path) || (!end && missing === undefined)) continue;
    if (end && !canSee(pid)) {
      patient.unseen.push(`whether ${path} is the file that is written: that is for root to see`);
      continue;
    }
    const name = words.userName(pool.state.workerUid);
    const writer = { gids: [], ...credentialsOf(pid), uid: pool.state.workerUid };
    const isClosed = end && !permits(end, writer, permission.write) && !hasAccessList(end.path);
    const what = end ? 'another file has its name' : 'it was removed or renamed';
    // What root would give away there may be a link to something else.
    const access = isOthersToChoose(path)
      ? `remove or rename ${shellQuote(path)} first (no chown: others may choose what is there)`
      : `chown ${name} ${shellQuote(path)}`;
    return {
      says: `nothing is written to ${path} any more: ${what}${isClosed ? `, which ${name} may not write (${words.describePermissions(end)})` : ''}, and it was not opened anew`,
      fix: `${isClosed ? `${access}; ` : ''}kill -USR1 ${pid}; in logrotate: create 0640 ${name}, and kill -USR1 in postrotate`,
      evidence: [`the supervisor (PID ${pid}) writes by a descriptor, whatever file has the name by now`],
    };
  }
  return undefined;
}

/** Root alone sees what a supervisor that has given up its privileges has open. */
function canSee(pid: number): boolean {
  return openFilesOf(pid, 1).length > 0;
}

/** By the file itself: its directory has many names (/var/run). */
function isOpenThere({ pid, workers }: PoolStatus, path: string): boolean {
  const there = identityAt(lstatSync, path);
  const pids = [pid, ...workers.flatMap((worker) => worker.pids)];
  return (
    there !== undefined &&
    pids.some((one) =>
      openFilesOf(one).some(([number]) => identityAt(statSync, `/proc/${one}/fd/${number}`) === there),
    )
  );
}

function identityAt(look: (path: string) => Stats, path: string): string | undefined {
  try {
    return identityOf(look(path));
  } catch {
    return undefined;
  }
}

function lookAtStatusSocket({ status }: Patient): Finding | undefined {
  const { statusSocket } = status ?? {};
  if (!status || !statusSocket || statusSocket.file === 'ours' || statusSocket.file === null)
    return undefined;
  const isGone = statusSocket.file === 'gone';
  const start = 'start it again with its own command and --replace, which binds it anew and cuts no request';
  return {
    says: `the file of its status socket ${statusSocket.address} ${isGone ? 'is gone' : 'was replaced'}: whoever watches the pool there hears nothing`,
    // No start removes what is not its own.
    fix: isGone
      ? start
      : `see what is there now (ls -l ${shellQuote(statusSocket.address)}) and remove it, then ${start}`,
    evidence: [`so says the supervisor (PID ${status.pid})`],
  };
}

function lookAtPidFile({ status, seesOurFiles }: Patient): Finding | undefined {
  if (!status || status.pidFile === null || !seesOurFiles) return undefined;
  const { pidFile, pid } = status;
  const content = readPath(pidFile);
  // What root would write there may be a link to something else.
  const fix = isOthersToChoose(pidFile)
    ? `rm -f ${shellQuote(pidFile)}, then start it again with its own command and --replace, which writes it and cuts no request`
    : `printf %s ${pid} >${shellQuote(pidFile)} (whoever has written the other one must take another file)`;
  if (content.kind === 'absent')
    return {
      says: `its PID file ${pidFile} is gone: scripts that stop it by that file find nothing`,
      fix,
      evidence: [`its supervisor has PID ${pid}`],
    };
  if (content.kind !== 'pid-file' || content.text.trim() === String(pid)) return undefined;
  const other = parseWhole(content.text.trim(), 1, noProcess);
  const name = other === undefined ? undefined : programNameOf(other);
  const whose =
    other === undefined
      ? 'no PID'
      : isProcess(other)
        ? `PID ${other}, which is another process (${name})`
        : `PID ${other}, which is no process`;
  return {
    says: `its PID file ${pidFile} has ${whose}: a script that stops the pool by it hits somebody else, or nobody`,
    fix,
    evidence: [`its supervisor has PID ${pid}`],
  };
}

/** One whose file was removed, and which serves on whoever is connected still: 1.6's pools are left so. */
function lookForSecond(patient: Patient): Finding | undefined {
  const { lostListeners, pool, address } = patient;
  const own = new Set(pool?.state.sockets);
  const lost = lostListeners.filter(({ inode }) => !own.has(inode));
  // In a container the same path is another one.
  const processes = lost
    .flatMap((one) => one.processes)
    .filter(({ pid }) => hasOurMounts(pid) === true && patient.mayBelong(pid));
  const [first] = processes;
  if (!first || address?.kind !== 'unix') return undefined;
  const pids = processes.map(({ pid }) => pid).join(' ');
  return {
    says: `a second server was started for ${address.path} before: PID ${first.pid} (${first.name}) still listens on a socket whose file is gone, and serves whoever is connected to it`,
    fix: `kill ${pids}`,
    evidence: processes.map(({ pid, name }) => `PID ${pid} (${name}) holds it`),
  };
}

function lookForLeftovers(patient: Patient): Finding | undefined {
  const { status, pool, listeners, proc } = patient;
  if (!status || !pool || status.given !== undefined) return undefined;
  const told = (status.socketHolders ?? []).map(({ pid, name }) => ({ pid, name }));
  const own = new Set([status.pid, ...status.workers.flatMap(({ pids }) => pids)]);
  const ownSockets = new Set(pool.state.sockets);
  const isOwn = (pid: number): boolean => {
    for (let above: number = pid, steps = 0; above > 1 && steps < 100; steps++) {
      if (own.has(above)) return true;
      above = proc?.stat(above)?.parent ?? 0;
    }
    return false;
  };
  const strangers = listeners
    .filter(({ inode }) => ownSockets.has(inode))
    .flatMap((one) => one.processes)
    .filter(({ pid }) => !isOwn(pid) && !told.some((one) => one.pid === pid));
  const [first, ...others] = [...told, ...strangers].filter(({ pid }) => patient.mayBelong(pid));
  if (!first || status.phase !== 'serving' || status.operation) return undefined;
  const pids = [first, ...others].map(({ pid }) => pid);
  return {
    says: `PID ${first.pid} (${first.name}), outside the pool, holds its socket: what it accepts nobody may ever answer`,
    fix: `kill ${pids.join(' ')} if it is not meant to; a daemon that a worker starts must close descriptor 0`,
    evidence: pids.map((pid) => `PID ${pid} has the listening socket open`),
  };
}

function lookAtBacklog({ status }: Patient): Finding | undefined {
  const asked = status && status.given === undefined ? backlogIn(status.command) : undefined;
  if (!status?.queue || asked === undefined || status.queue.backlog >= asked) return undefined;
  const { backlog } = status.queue;
  return {
    says: `-b ${asked} was asked for, and the kernel lets ${backlog} connections wait: net.core.somaxconn cuts it`,
    fix: `sysctl -w net.core.somaxconn=${asked}, in /etc/sysctl.d for the next boot, then: spawn-fcgictl restart ${shellQuote(status.address)}`,
    evidence: [`queue of ${status.address}: ${status.queue.length} of ${backlog}`],
  };
}
