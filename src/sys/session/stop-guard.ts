// Ends the workers when the supervisor dies over their stop: a shell that waits on a pipe from us, for as long
// as the stop takes. Where there can be none, the kernel does what it can (kill-on-death.ts).
// Undoes nothing and touches no file: that is the next start's.
import { readlinkSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { AdoptedWorker } from '../../core/pool/roster.ts';
import type { DoomedSessions, StopGuard } from '../../core/machine.ts';
import { writeWithin } from '../file/bounded-write.ts';
import { O_CLOEXEC } from '../path/file-at.ts';
import { killGroupOnDeath } from './kill-on-death.ts';
import { nowTick } from './leftovers.ts';
import { attempt, libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';
import { awaitChild } from '../process/reaper.ts';
import { ProcessTemplate } from '../process/spawn-worker.ts';

const done = 'done';
/** What a pipe holds at least before somebody reads (pipe(7), where its user has very many of them). */
const leastPipe = 4096;
/** It does nothing else than to wait for its word. */
const patienceMs = 500;

/**
 * Reads `PID:START` of each worker, `left PID:TICK` and `gone PID` of one that has ended since and has left somebody, or
 * nobody, `stray PID:START:SESSION` of who ends with a session that need not be his own, and `heir PID:START` of the supervisor that sees to them should we die. Who was killed together with us may
 * take a moment to die, and is looked at again.
 * A session is a worker's if its leader has that start time. Without a leader, if it has members that started while the
 * number was the worker's: before its end, or before ours, who would have told of it. Once one was seen, for as long
 * as there are any: the number is given to no new process before the last one is gone.
 * Groups of leaders first, since looking through /proc takes a while; then whoever is left, until nobody is: a fork
 * may escape a look.
 */
const script = `trap '' HUP INT QUIT TERM
cd /proc || exit 1
workers= strays= heir= gone= ends=
while IFS= read -r line; do
  case $line in
    ${done}) exit 0 ;;
    'heir '*) heir=\${line#heir } ;;
    'stray '*) strays="$strays \${line#stray }" ;;
    'gone '*) gone="$gone $line " ;;
    'left '*) ends="$ends \${line#left } " ;;
    *) workers="$workers $line" ;;
  esac
done
look() {
  text=
  while IFS= read -r line || [ -n "$line" ]; do text="$text $line"; done <"$1/stat" || return 1
  [ -n "$text" ] || return 1
  set -- \${text##*") "}
  state=$1 session=$4 threads=\${18} start=\${20}
}
runs() {
  case $state in [ZX]) [ "$threads" -gt 1 ] ;; esac
}
lives() {
  [ -n "$heir" ] && look "\${heir%:*}" && runs && [ "$start" = "\${heir#*:}" ]
}
if lives; then
  sleep 0.3 || sleep 1
  if lives; then exit 0; fi
fi
ours= seen=
now=$(look self && echo "$start")
for worker in $workers; do
  leader=\${worker%:*} until=$now
  case $gone in *" $leader "*) continue ;; esac
  case $ends in
    *" $leader:"*)
      look "$leader" && continue
      until=\${ends##*" $leader:"} until=\${until%% *}
      ;;
    *)
      if look "$leader"; then
        [ "$start" = "\${worker#*:}" ] || continue
        kill -9 "-$leader"
        seen="$seen $leader "
      fi
      ;;
  esac
  ours="$ours $worker:$until "
done
for stray in $strays; do
  pid=\${stray%%:*} stray=\${stray#*:}
  look "$pid" && [ "$start:$session" = "$stray" ] || continue
  ours="$ours $session:0:$now " seen="$seen $session "
done
looks=0
while [ "$looks" -lt 200 ]; do
  left= still=
  for pid in [0-9]*; do
    look "$pid" && runs || continue
    case $ours in *" $session:"*) ;; *) continue ;; esac
    since=\${ours##*" $session:"} since=\${since%% *}
    [ "$start" -ge "\${since%:*}" ] || continue
    case $seen in *" $session "*) ;; *) [ "$start" -le "\${since#*:}" ] || continue ;; esac
    kill -9 "$pid" && left=yes still="$still $session "
  done
  [ -n "$left" ] || exit 0
  seen=$still looks=$((looks + 1))
  sleep 0.01 || sleep 1
done`;

export class StopGuardProcess implements StopGuard {
  readonly #proc: ProcFs | undefined;
  readonly #nowhere: number;
  readonly #warn: (message: string) => void;
  #shell: { readonly pid: number; readonly pipe: number } | undefined;
  #heir: AdoptedWorker | undefined;
  #hasBegun = false;
  readonly #guarded: AdoptedWorker[] = [];
  /** When leaders ended that have left somebody. */
  readonly #endTicks = new Map<number, number>();

  /** `nowhere`: a descriptor of /dev/null. */
  constructor(proc: ProcFs | undefined, nowhere: number, warn: (message: string) => void) {
    this.#proc = proc;
    this.#nowhere = nowhere;
    this.#warn = warn;
  }

  begin({ own, adopted, ended }: DoomedSessions, heir: AdoptedWorker | undefined): void {
    this.#heir = heir;
    this.#guard([
      ...own.map((pid) => ({ pid, startTime: this.#proc?.stat(pid)?.startTime ?? '0' })),
      ...adopted,
      ...ended.map((pid) => ({ pid, startTime: '0' })),
    ]);
    for (const pid of ended) this.ended(pid, false);
  }

  ended(leader: number, isOver: boolean): void {
    if (isOver) {
      this.#guarded.splice(0, Infinity, ...this.#guarded.filter(({ pid }) => pid !== leader));
      this.#tell(`gone ${leader}\n`);
      return;
    }
    const tick = nowTick();
    this.#endTicks.set(leader, tick);
    this.#tell(`left ${leader}:${tick}\n`);
  }

  add(workers: readonly AdoptedWorker[]): void {
    this.#guard(workers);
  }

  childEnded(pid: number): void {
    if (this.#shell?.pid !== pid) return;
    libc.close(this.#shell.pipe);
    this.#shell = undefined;
    this.#guardByKernel(this.#guarded, 'it was killed');
  }

  end(): void {
    const shell = this.#shell;
    if (!shell) return;
    this.#tell(`${done}\n`);
    this.#shell = undefined;
    libc.close(shell.pipe);
    // Whoever may signal the workers may have stopped it: it would never read that, and we wait.
    attempt(() => libc.kill(shell.pid, constants.signals.SIGKILL));
    awaitChild(shell.pid, patienceMs);
  }

  /**
   * Or why there is none. It gets nothing that was opened outside a chroot, nor the lock: a worker of the same
   * uid can look into it.
   */
  #start(lines: string): string | undefined {
    if (!this.#proc || !seesOwnProc()) return 'no /proc';
    const ends = Buffer.alloc(8);
    const failure = attempt(() => libc.pipe2(ends, O_CLOEXEC));
    if (failure < 0) return libc.strerror(-failure);
    const [readEnd, writeEnd] = [ends.readInt32LE(0), ends.readInt32LE(4)];
    // Ahead of its start: we may be killed right behind that.
    writeSync(writeEnd, lines.slice(0, leastPipe));
    const result = new ProcessTemplate(
      { path: '/bin/sh', argv: ['sh', '-c', script, 'spawn-fcgi-stop-guard'] },
      [Buffer.from('PATH=/usr/bin:/bin')],
      { stdin: readEnd, stdout: this.#nowhere, stderr: this.#nowhere },
      undefined,
    ).spawn();
    libc.close(readEnd);
    if ('pid' in result) {
      this.#shell = { pid: result.pid, pipe: writeEnd };
      this.#tell(lines.slice(leastPipe));
      return undefined;
    }
    libc.close(writeEnd);
    return `/bin/sh: ${libc.strerror(result.errno)}`;
  }

  #guard(workers: readonly AdoptedWorker[]): void {
    if (workers.length === 0) return;
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    this.#guarded.push(...workers);
    const lines = workers.map((worker) => `${lineOf(worker)}\n`).join('');
    let problem: string | undefined;
    if (isFirst) problem = this.#start(this.#heir ? `heir ${lineOf(this.#heir)}\n${lines}` : lines);
    else this.#tell(lines);
    if (!this.#shell) this.#guardByKernel(workers, problem);
  }

  /** It reaches process groups, those that are there now. Where there is an heir, that sees to everything. */
  #guardByKernel(workers: readonly AdoptedWorker[], problem: string | undefined): void {
    if (this.#heir) return;
    const isWhole = this.#groupsOf(workers).map(killGroupOnDeath).every(Boolean);
    if (problem === undefined) return;
    const whom = isWhole ? 'the process groups that its workers have now end' : 'not all of its workers end';
    this.#warn(`no guard of this stop (${problem}): should the supervisor be killed, ${whom} with it`);
  }

  /** Process groups of what is left of these sessions; without /proc those of the leaders, which are our children. */
  #groupsOf(workers: readonly AdoptedWorker[]): number[] {
    const proc = this.#proc;
    if (!proc) return workers.map(({ pid }) => pid);
    const proven = workers.filter(
      ({ pid, startTime }) => (proc.stat(pid)?.startTime ?? startTime) === startTime,
    );
    const members = proc
      .sessionMembers(new Set(proven.map(({ pid, session = pid }) => session)))
      .filter(({ session, startTime }) => Number(startTime) <= (this.#endTicks.get(session) ?? Infinity));
    return [...new Set(members.map(({ group }) => group))];
  }

  #tell(lines: string): void {
    if (!this.#shell || lines === '') return;
    // Where it was killed its end will be told.
    writeWithin(this.#shell.pipe, Buffer.from(lines), patienceMs);
  }
}

/** Inside a chroot, too: the shell has no other way. */
function seesOwnProc(): boolean {
  try {
    return readlinkSync('/proc/self') === String(process.pid);
  } catch {
    return false;
  }
}

function lineOf({ pid, startTime, session }: AdoptedWorker): string {
  const isStray = session !== undefined && session !== pid;
  return isStray ? `stray ${pid}:${startTime}:${session}` : `${pid}:${startTime}`;
}
