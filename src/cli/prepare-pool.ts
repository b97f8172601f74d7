// The start's steps up to the first worker, in the order that the drop of
// privileges dictates. Everything it makes is in the journal before the next step.
import { openSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../core/config.ts';
import { errnoOf, SpawnFcgiError } from '../core/errors.ts';
import { formatAddress, type BoundAddress } from '../core/pool-id.ts';
import type { WorkerRecord } from '../core/pool-state.ts';
import { workerPidPath } from '../core/worker-pid-path.ts';
import { readVariable, type Caller } from '../sys/caller.ts';
import { pause } from '../sys/clock.ts';
import { enterChroot } from '../sys/enter-chroot.ts';
import { libc } from '../sys/libc.ts';
import { requireGroup, resolveIdentity, setGroups, setUser, type Identity } from '../sys/identity.ts';
import { connectAhead } from '../sys/private-socket.ts';
import {
  listenInPlaceOf,
  listenOn,
  socketOwner,
  type BindWitness,
  type ListenSocket,
  type SocketOwner,
} from '../sys/listen-socket.ts';
import type { SocketAddress } from '../sys/socket-address.ts';
import { removeIfSame } from '../sys/file-at.ts';
import { PidFile } from '../sys/pid-file.ts';
import type { CreatedFile } from '../sys/pool-files.ts';
import { WorkerOomScore } from '../sys/oom-score.ts';
import type { ProcFs } from '../sys/proc-fs.ts';
import { UndoGuard } from '../sys/undo-guard.ts';
import { isInUse, withBindHints } from './bind-hints.ts';
import { claimAddress, type Claim } from './claim-address.ts';
import { requireDistinctFiles } from './distinct-files.ts';
import { requireFiles } from './file-limit.ts';
import { nameAddress, resolveListenAddress } from './listen-address.ts';
import { findSocket, holdSocket, refuseInUse, refuseUnreachable } from './inherit-socket.ts';
import { describeLogProblem, openEventLog } from './open-event-log.ts';
import type { PreparedPool } from './prepared-pool.ts';
import { printHint } from './print.ts';
import { mayBindAgain } from './socket-renewal.ts';
import type { StartJournal } from './start-journal.ts';
import type { Interruption } from './watch-interruption.ts';
import { describeShutOut } from './web-server-hint.ts';

export interface Start {
  readonly config: Config;
  readonly caller: Caller;
  readonly journal: StartJournal;
  readonly proc: ProcFs | undefined;
  /** Of --log, when it names one. */
  readonly logDescriptor: number | undefined;
  readonly interruption: Pick<Interruption, 'whileWaiting' | 'claimed'>;
  /** Runs last with privileges, in the chroot: what it throws can still be undone. */
  readonly beforeDrop: (identity: Identity) => void;
}

/** Does all of it; throws the refusal. */
export async function preparePool({
  config,
  caller,
  journal,
  proc,
  logDescriptor,
  interruption,
  beforeDrop,
}: Start): Promise<PreparedPool> {
  const isRoot = process.getuid?.() === 0;
  const isSupervised = config.model === 'background' || config.model === 'foreground';
  if (isSupervised) requireFiles(config);
  const nowhere = openSync('/dev/null', 'r+');
  const earlyPidFile = findPidFile(config);
  const identity = isRoot ? resolveIdentity(config.user, config.group) : noIdentity;
  const socketIdentity = isRoot ? resolveIdentity(config.socketUser, config.socketGroup) : noIdentity;
  requireGroup(identity);
  const oomScore = isSupervised
    ? WorkerOomScore.open(proc !== undefined, config.oomScoreAdj, identity)
    : undefined;

  const target = await resolveListenAddress(config.listen);
  const address = nameAddress(target, config.socketBeforeChroot ? undefined : config.chroot);
  requireDistinctFiles(config, address);
  const runtime = {
    ofUser: readVariable(caller.environment, 'XDG_RUNTIME_DIR'),
    ofUnit: readVariable(caller.environment, 'RUNTIME_DIRECTORY'),
  };
  const whileWaiting = (): void => interruption.whileWaiting();
  const claim = await claimAddress({ config, runtime, address, proc, whileWaiting });
  const { giver } = claim;
  if (giver) journal.changed(() => giver.connection.close());
  const noteCreated = ({ at, identity: file }: CreatedFile): void =>
    journal.made(at.path, file, () => removeIfSame(at, file));
  claim.files?.created().forEach(noteCreated);
  const control = isSupervised && !giver ? claim.files?.openControl() : undefined;
  if (control && 'created' in control) noteCreated(control.created);
  interruption.claimed(isSupervised ? claim.orphans.length : 0);
  if (config.model !== 'exec') claim.hints.forEach(printHint);
  if (control && 'problem' in control) printHint(`spawn-fcgictl cannot reach this pool: ${control.problem}`);
  const pidFile = await claimPidFile(earlyPidFile, config, journal, claim);
  const workerPidFiles = openWorkerPidFiles(config, journal, claim);
  const workerPidPattern = config.workerPidFile === undefined ? undefined : resolve(config.workerPidFile);
  const log = openEventLog(config, identity, logDescriptor, journal);
  // The process that execs in place cannot have a child that outlives the exec.
  if (identity.uid !== 0 && config.model !== 'exec') {
    const node = [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
    journal.setGuard(UndoGuard.start(node, claim.files?.lock));
  }

  const owner = socketOwner(config, identity, socketIdentity, proc?.descriptor);
  const laterHints = [...describeLogProblem(config), ...describeShutOut(config, address, owner)];
  let isInherited = false;
  /** One that was taken, and was of no use. */
  let former: ListenSocket | undefined;
  const bind = async (): Promise<ListenSocket> => {
    const found = isSupervised ? findSocket(claim, target, proc, identity) : undefined;
    if (found && 'hint' in found) throw refuseInUse(address, found.hint);
    const bindNew = (): Promise<ListenSocket> =>
      bindAddress({ target, address, backlog: config.backlog, owner, claim, proc, journal, old: former });
    if (!found) return bindNew();
    const held = holdSocket(found.descriptor, target);
    const problem = refuseUnreachable(held, target, config.backlog);
    if (problem !== undefined) {
      printHint(`nobody could reach the pool on ${formatAddress(address)}: ${problem}; it is bound anew`);
      former = held;
      return bindNew();
    }
    isInherited = true;
    if (held.file && address.kind === 'unix') {
      // What a socket that is bound now would get.
      const [uid, gid] = [owner.uid || (process.getuid?.() ?? 0), owner.gid || (process.getgid?.() ?? 0)];
      journal.adjust(address.path, held.file, { uid, gid, mode: owner.mode });
    }
    return held;
  };
  const before = config.socketBeforeChroot ? await bind() : undefined;
  setGroups(identity);
  if (config.chroot !== undefined) enterChroot(config.chroot);
  const socket = before ?? (await bind());
  // Waits in the queue for the first worker, where there are no others; later we might not be allowed to connect.
  const asks = config.ready === 'probe' && isSupervised && !isInherited;
  const readyProbe = asks ? (connectAhead(socket.descriptor, config.backlog) ?? 'queue-full') : undefined;
  beforeDrop(identity);
  // After an exec in place nobody would be left to remove them.
  if (config.model === 'exec') claim.files?.release();
  // Only its number is needed from now on, to know workers that have it.
  if (former) libc.close(former.descriptor);
  setUser(identity);
  const directory = changeDirectory(config.directory);
  return {
    socket: former ? { ...socket, formerInode: former.inode } : socket,
    address: formatAddress(address),
    identity,
    files: claim.files,
    pidFile,
    workerPidFiles,
    workerPidPattern,
    log,
    laterHints,
    bindAgain: mayBindAgain(config, owner)
      ? (old) => listenInPlaceOf(old, target, () => listenOn(target, config.backlog, owner))
      : undefined,
    clientPath: clientPathOf(config, target, address),
    socketMode: owner.mode,
    nowhere,
    proc,
    readyProbe,
    oomScore,
    directory,
    giver: giver?.connection,
    giverState: giver?.state,
    orphans: isSupervised ? claim.orphans : [],
    isTakingOver: isInherited,
    commandLine: ['spawn-fcgi', ...process.argv.slice(2)],
  };
}

/** As a client names it that sees what we see. */
function clientPathOf(config: Config, target: SocketAddress, address: BoundAddress): string | undefined {
  if (target.kind === 'tcp' || address.kind === 'tcp') return undefined;
  if (config.chroot === undefined) return address.path;
  return !config.socketBeforeChroot && target.path.startsWith('/') ? target.path : undefined;
}

const noIdentity: Identity = { uid: 0, gid: 0, userName: undefined };

/** Looked at first, as 1.6 does, so that its refusal comes before others. */
function findPidFile(config: Config): PidFile | undefined {
  if (config.pidFile === undefined || config.model === 'exec') return undefined;
  return PidFile.openIfThere(config.pidFile);
}

/** With the lock: a pool that was stopping may have removed the file that was there. */
function openPidFile(config: Config, journal: StartJournal, early: PidFile | undefined): PidFile | undefined {
  if (config.pidFile === undefined || config.model === 'exec') return undefined;
  if (early?.isInPlace()) return notePidFile(early, journal);
  early?.close();
  return notePidFile(PidFile.open(config.pidFile), journal);
}

/** A pool that is stopping, here or on another address, may have it still, and removes it at its end. */
async function claimPidFile(
  early: PidFile | undefined,
  config: Config,
  journal: StartJournal,
  claim: Claim,
): Promise<PidFile | undefined> {
  if (early?.pid !== undefined) await claim.waitForStop(early.pid);
  const file = openPidFile(config, journal, early);
  file?.claim(claim.isOfRunningPool);
  return file;
}

function openWorkerPidFiles(config: Config, journal: StartJournal, claim: Claim): PidFile[] {
  const pattern = config.workerPidFile;
  if (pattern === undefined) return [];
  return Array.from({ length: config.workers }, (_unused, slot) => {
    const file = notePidFile(PidFile.open(workerPidPath(pattern, slot)), journal);
    file.claim(claim.isOfRunningPool);
    return file;
  });
}

function notePidFile(file: PidFile, journal: StartJournal): PidFile {
  if (file.wasCreated) journal.madePidFile(file, () => file.undo());
  else journal.changed(() => file.restore());
  return file;
}

const retryPauseMs = 10;
const dyingWorkersMs = 1000;

interface Binding {
  readonly target: SocketAddress;
  readonly address: BoundAddress;
  readonly backlog: number;
  readonly owner: SocketOwner;
  readonly claim: Claim;
  readonly proc: ProcFs | undefined;
  readonly journal: StartJournal;
  /** A socket on the address that nobody can reach. */
  readonly old: ListenSocket | undefined;
}

async function bindAddress(binding: Binding): Promise<ListenSocket> {
  const { target, address, backlog, owner, claim, proc, journal, old } = binding;
  const listen = (): ListenSocket => listenOn(target, backlog, owner, witnessOf(address, journal));
  const deadlineMs = performance.now() + dyingWorkersMs;
  for (;;) {
    try {
      return old ? listenInPlaceOf(old.descriptor, target, listen) : listen();
    } catch (error) {
      // Workers that were just killed together with their supervisor may be dying still.
      if (!isInUse(error) || claim.orphans.length === 0 || performance.now() > deadlineMs) {
        throw withBindHints(error, address, proc, aliveOf(claim.orphans, proc));
      }
      // Looked at in /proc only: each try would be a connection for a worker that lives on.
      do await pause(retryPauseMs);
      while (aliveOf(claim.orphans, proc).length > 0 && performance.now() <= deadlineMs);
    }
  }
}

function witnessOf(address: BoundAddress, journal: StartJournal): BindWitness | undefined {
  if (address.kind === 'tcp') return undefined;
  const { path } = address;
  return {
    binding: () => journal.binding(path),
    bound(file) {
      if (file) journal.made(path, file.identity, () => removeIfSame(file.at, file.identity));
      else journal.binding(undefined);
    },
    exposed(directory) {
      printHint(
        `everybody may replace files in '${directory}', this socket too, and get what its clients send; if that is not meant: chmod +t ${directory}`,
      );
    },
  };
}

function aliveOf(workers: readonly WorkerRecord[], proc: ProcFs | undefined): WorkerRecord[] {
  return workers.filter((worker) => proc?.isAlive(worker));
}

/** 1.6 changes directory last, as the user. Its absolute path, links unresolved. */
function changeDirectory(directory: string | undefined): string | undefined {
  if (directory === undefined) return undefined;
  try {
    const absolute = resolve(directory);
    process.chdir(directory);
    return absolute;
  } catch (error) {
    throw new SpawnFcgiError(`chdir('${directory}') failed: ${libc.strerror(errnoOf(error))}`, {
      cause: error,
    });
  }
}
