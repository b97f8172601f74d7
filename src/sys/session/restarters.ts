// Who would start a worker again that ends, or end with it: a supervisor, systemd, a container. What 1.6 has put into the
// background has nobody: it leads a session, its parent has ended, and its output leads nowhere.
import { askServiceUnit, isSystemdBooted, serviceOf } from '../process/service-unit.ts';
import { accepted } from '../proc/accepted-connection.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { processWaits } from '../proc/waiting.ts';
import type { ListenSocket } from '../socket/listen-socket.ts';
import type { SocketProcess } from './listening-sessions.ts';

const nowhere = '/dev/null';
const managersName = 'systemd';
/** Programs that start others again; the kernel keeps 15 characters of a name. */
const supervisors =
  /^(?:multiwatch|supervisord|php-fpm[\d.]*|uwsgi\S*|runsv|runit|s6-\S+|supervise|perpd|monit|circusd|god|immortal|tini|dumb-init|docker-init|catatonit|conmon|containerd-shim)$/;

/** Why the head of a session is somebody's, as the end of a sentence; undefined: it is nobody's. */
export function whoWatches(
  proc: ProcFs,
  head: SocketProcess,
  holders: ReadonlySet<number>,
): string | undefined {
  const { pid, parent } = head;
  if (pid === 1) return 'is the first process here: everything ends with it';
  const [own, other] = [proc.pidNamespace, proc.readLink(`${pid}/ns/pid`)];
  if (own === undefined || other !== `pid:[${own}]`) return 'runs in a container';
  const above = parent > 0 ? proc.stat(parent) : undefined;
  if (!above) return 'was started by a process that cannot be seen from here';
  const isManaged = isSystemdBooted() && proc.stat(1)?.comm === managersName;
  // Nothing tells an orphan that was adopted from a child: only of systemd it is known that it says which are its own.
  const isAdopted = parent === 1 || (isManaged && above.comm === managersName);
  if (!isAdopted || holders.has(parent)) return `was started by PID ${parent} (${above.comm})`;
  const service = isManaged ? serviceOf(proc, pid) : undefined;
  if (service) return whatSystemdDoes(service, pid, holders);
  return isManaged || isDetached(proc, pid)
    ? undefined
    : `may be a child of PID 1 (${above.comm}) that is started again, or that it ends with: its output does not lead to ${nowhere}, where 1.6 leads it`;
}

/** One of the two is enough, since few programs write a log of theirs by both. */
function isDetached(proc: ProcFs, pid: number): boolean {
  return ['1', '2'].some((number) => proc.readLink(`${pid}/fd/${number}`)?.endsWith(nowhere) === true);
}

/** A unit that ends with its main process sends TERM to what is left of it, in the middle of requests. */
function whatSystemdDoes(
  { name, isUsers }: NonNullable<ReturnType<typeof serviceOf>>,
  pid: number,
  holders: ReadonlySet<number>,
): string | undefined {
  if (isUsers) return `belongs to ${name} of a user's own systemd`;
  const unit = askServiceUnit(name);
  if (!unit) return `belongs to ${name}, of which systemctl tells nothing`;
  const { mainPid, restart, killMode } = unit;
  // The unit of something else, from which 1.6 was called: cron, a shell of sshd.
  if (mainPid !== 0 && !holders.has(mainPid)) return undefined;
  const what = mainPid === pid ? `is the main process of ${name}` : `belongs to ${name}`;
  if (restart !== 'no') return `${what}, which systemd starts again (Restart=${restart})`;
  const staysCalm = mainPid === 0 || killMode === 'process' || killMode === 'none';
  return staysCalm ? undefined : `${what}, whose other processes systemd ends with that`;
}

/**
 * The process of a session that starts the others again, by its name or since it starts another program on the socket
 * and serves nobody itself. Helpers of a worker have the socket, too; php-cgi's children are the same program.
 */
export function findRestarter(
  proc: ProcFs,
  members: readonly SocketProcess[],
  listening: ListenSocket,
): SocketProcess | undefined {
  const byPid = new Map(members.map((member) => [member.pid, member]));
  const isParent = (pid: number): boolean =>
    members.some(({ pid: child, parent }) => parent === pid && !isSameProgram(proc, pid, child));
  return [...byPid.values()].find(
    (member) => supervisors.test(member.comm) || (isParent(member.pid) && !serves(proc, member, listening)),
  );
}

function isSameProgram(proc: ProcFs, one: number, other: number): boolean {
  const file = proc.readLink(`${one}/exe`);
  return file !== undefined && file === proc.readLink(`${other}/exe`);
}

function serves(proc: ProcFs, { pid }: SocketProcess, listening: ListenSocket): boolean {
  if (processWaits(proc, pid, new Set([listening.inode])) === 'yes') return true;
  const held = accepted(proc, pid, listening);
  return held !== 'none' && held !== 'unknown';
}
