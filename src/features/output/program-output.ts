// `--output '|COMMAND'`: workers print into a pipe, of which this supervisor holds both ends, and a log program reads it.
// The program outlives us and ends at the end of file, when the last worker is gone.
import type { WorkerExit } from '../../core/worker-exit.ts';
import type { PoolStatus } from '../../control/protocol.ts';
import { describeEnd } from '../../supervisor/end-report.ts';
import { ProcessTemplate } from '../../sys/process/spawn-worker.ts';
import type { LogPipe } from '../../sys/log/log-pipe.ts';
import type { PreparedPool } from '../../start/prepared-pool.ts';
import type { Feature, OutputStreams } from '../feature.ts';
import { LogProgram, type LogProgramOptions } from './log-program.ts';

export interface ProgramOutputOptions extends Omit<LogProgramOptions, 'spawn' | 'restart'> {
  readonly prepared: Pick<PreparedPool, 'config' | 'caller' | 'nowhere' | 'allowed'>;
  readonly pipe: LogPipe;
  readonly command: string;
  /** The start fails. */
  readonly refuse: (reason: string, hints: readonly string[]) => void;
}

/** At the end of the pool, for what is left in the pipe; then it is left to itself. */
const patienceMs = 2000;

// While the supervisor lives it starts the program again. Once it was killed nobody would: what workers print is read
// and thrown away then, so that none of them waits, or gets SIGPIPE. A killed one has its children until its last thread
// is gone, as a zombie. A chroot may have neither cat nor /dev/null. Signals are the program's business.
const script = `trap : HUP INT QUIT TERM USR1 USR2 ALRM
/bin/sh -c "exec $1"
status=$?
parent=$PPID
above=
{ read -r _ _ _ parent _ </proc/$$/stat; IFS= read -r above </proc/$PPID/stat; } 2>/dev/null
case "$parent $above" in
  "$PPID "*') Z '*) ;;
  "$PPID "*) kill -0 "$PPID" 2>&- && exit "$status" ;;
esac
[ -c /dev/null ] && type cat >/dev/null && exec cat >/dev/null
while read -r _; do :; done`;

export class ProgramOutput implements Feature {
  readonly #options: ProgramOutputOptions;
  readonly #program: LogProgram;

  constructor(options: ProgramOutputOptions) {
    const { config } = options.prepared;
    const template = templateOf(options);
    this.#options = options;
    this.#program = new LogProgram({
      ...options,
      restart: config.restart,
      spawn: () => template.spawn(),
    });
  }

  beginning(): void {
    const errno = this.#program.start();
    if (errno === undefined) return;
    const { refuse, describeErrno, prepared } = this.#options;
    const { chroot } = prepared.config;
    const hint = `it is run by /bin/sh${chroot === undefined ? '' : `, which must be in the chroot '${chroot}': --output FILE needs no program there`}`;
    refuse(`the log program cannot be started: ${describeErrno(errno)}`, [hint]);
  }

  streamsOf(): OutputStreams {
    const { writeEnd } = this.#options.pipe;
    return { stdout: writeEnd, stderr: writeEnd };
  }

  reaped(pid: number, exit: WorkerExit): void {
    this.#program.reaped(pid, exit);
  }

  describe(): Pick<PoolStatus, 'output'> {
    const { pipe, command, signalName, describeErrno } = this.#options;
    const { pid = null, restarts, lastEnd } = this.#program;
    const { bytes: waiting, capacity, isFull } = pipe.state();
    const lastExit = lastEnd === undefined ? null : describeEnd(lastEnd, { signalName, describeErrno });
    const program = { pid, restarts, lastExit, waiting, capacity, isFull };
    return { output: { target: `|${command}`, files: [], program } };
  }

  undo(): void {
    this.release();
  }

  release(): void {
    this.#program.finish();
    this.#options.pipe.close();
  }

  farewell(done: () => void): void {
    this.#program.awaitEnd(patienceMs, done);
  }
}

/** Where workers' output would go by default its own goes. Of limits and priority it has the caller's. */
function templateOf({ prepared, pipe, command }: ProgramOutputOptions): ProcessTemplate {
  const { config, caller, nowhere, allowed } = prepared;
  const outputs =
    config.model === 'background' ? { stdout: nowhere, stderr: nowhere } : { stdout: 1, stderr: 2 };
  return new ProcessTemplate(
    { path: '/bin/sh', argv: ['sh', '-c', script, 'sh', caller.encodeValue(command)] },
    caller.environment,
    { stdin: pipe.readEnd, ...outputs },
    caller.fileLimit,
    undefined,
    allowed.callers,
  );
}
