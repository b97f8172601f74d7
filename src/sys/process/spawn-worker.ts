// Starts a worker by posix_spawn(3): the kernel's own verdict on the file (no
// search in PATH, no fallback to /bin/sh), a session of its own, every signal at
// its default and unblocked, descriptors 0-2 and nothing above. One that is to have limits of its own is started by
// startAfterCalls instead, which is the same but for them.
import type { Program } from '../../core/config.ts';
import { needsOwnCalls, type WorkerAttributes } from '../../core/worker-attributes.ts';
import { startAfterCalls, type LibcCall } from '../attributes/child-calls.ts';
import { callsOf } from '../attributes/own-attributes.ts';
import type { Caller } from './caller.ts';
import { cString, StringVector } from '../libc/memory.ts';
import { F_SETFD } from '../libc/fcntl-numbers.ts';
import { attempt, libc } from '../libc/libc.ts';
import { setFileLimit, getFileLimit, type Limit } from './resource-limit.ts';

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
/** Same value in glibc and musl. */
const POSIX_SPAWN_SETSID = 0x80;
const X_OK = 1;

/** The file to execute and its arguments: the program, or /bin/sh for -f (1.6: execv, execl). */
export interface CommandLine {
  readonly path: string | Buffer;
  readonly argv: readonly (string | Buffer)[];
}

/** The bytes that the caller typed, which need not be UTF-8. */
export function commandLineOf(
  program: Program,
  caller: Pick<Caller, 'encodeAll' | 'encodeValue'>,
): CommandLine {
  if (program.kind === 'shell') {
    return {
      path: '/bin/sh',
      argv: ['sh', '-c', Buffer.concat([Buffer.from('exec '), caller.encodeValue(program.command)])],
    };
  }
  const argv = caller.encodeAll(program.argv);
  return { path: argv[0] ?? program.argv[0], argv };
}

/** The file that is executed, for messages. */
export function executedPath(program: Program): string {
  return program.kind === 'shell' ? '/bin/sh' : program.argv[0];
}

/** The caller's environment with PHP_FCGI_CHILDREN set by -C, as putenv(3) would. */
export function workerEnvironment(environment: readonly Buffer[], phpChildren: number | undefined): Buffer[] {
  return withVariables(
    environment,
    phpChildren === undefined ? {} : { PHP_FCGI_CHILDREN: String(phpChildren) },
  );
}

/** The environment with these variables behind it, in the place of what it has by their names. */
export function withVariables(
  environment: readonly Buffer[],
  variables: Readonly<Record<string, string>>,
): Buffer[] {
  const entries = Object.entries(variables).map(([name, value]) => Buffer.from(`${name}=${value}`));
  const prefixes = Object.keys(variables).map((name) => Buffer.from(`${name}=`));
  const isReplaced = (entry: Buffer): boolean =>
    prefixes.some(
      (prefix) =>
        entry.length >= prefix.length && entry.compare(prefix, 0, prefix.length, 0, prefix.length) === 0,
    );
  return [...environment.filter((entry) => !isReplaced(entry)), ...entries];
}

export type SpawnResult = { readonly pid: number } | { readonly errno: number };

export interface Streams {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

/** What a process prints into. */
export type OutputStreams = Pick<Streams, 'stdout' | 'stderr'>;

/** What one process has instead of what its template says. */
export interface OwnParts extends Partial<Streams> {
  readonly variables?: Readonly<Record<string, string>>;
}

/** What is prepared once and used for every spawn of a generation. */
export class ProcessTemplate {
  readonly #path: Buffer;
  readonly #argv: StringVector;
  readonly #entries: readonly Buffer[];
  readonly #streams: Streams;
  readonly #directory: number | undefined;
  readonly #limit: Limit | undefined;
  readonly #wanted: WorkerAttributes | undefined;
  readonly #shared: ProcessParts;
  readonly #attributes = Buffer.alloc(1024);

  /**
   * `fileLimit`: RLIMIT_NOFILE for the new process; undefined leaves ours. `directory`: a
   * descriptor of its working directory; undefined: ours. `wanted`: what it has not from us.
   */
  constructor(
    command: CommandLine,
    environment: readonly Buffer[],
    streams: Streams,
    fileLimit: Limit | undefined,
    directory?: number,
    wanted?: WorkerAttributes,
  ) {
    this.#path = cString(command.path);
    this.#argv = new StringVector(command.argv);
    this.#entries = environment;
    this.#streams = streams;
    this.#directory = directory;
    this.#limit = fileLimit;
    this.#wanted = wanted;
    this.#shared = new ProcessParts(new StringVector(environment), streams, directory);
    libc.spawnattrInit(this.#attributes);
    libc.spawnattrSetflags(
      this.#attributes,
      POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK,
    );
    libc.spawnattrSetsigdefault(this.#attributes, Buffer.alloc(128, 0xff));
    libc.spawnattrSetsigmask(this.#attributes, Buffer.alloc(128));
  }

  /** The PID, or the errno of fork or exec: posix_spawn reports both. */
  spawn(own?: OwnParts): SpawnResult {
    if (own === undefined) return this.#spawn(this.#shared);
    const parts = this.#partsFor(own);
    try {
      return this.#spawn(parts);
    } finally {
      parts.release();
    }
  }

  /** No process of it will be started any more. */
  release(): void {
    this.#shared.release();
  }

  #partsFor({ variables, ...streams }: OwnParts): ProcessParts {
    const environment = variables && new StringVector(withVariables(this.#entries, variables));
    return new ProcessParts(
      environment ?? this.#shared.environment,
      { ...this.#streams, ...streams },
      this.#directory,
    );
  }

  #spawn(parts: ProcessParts): SpawnResult {
    const { umask } = this.#wanted ?? {};
    const ours = this.#limit && this.#lend(this.#limit);
    const before = umask === undefined ? undefined : process.umask(umask);
    try {
      return this.#wanted && needsOwnCalls(this.#wanted)
        ? this.#startAfter(callsOf(this.#wanted), parts)
        : this.#spawnPlainly(parts);
    } finally {
      if (before !== undefined) process.umask(before);
      if (ours) trySoftLimit(ours.soft, ours.hard);
    }
  }

  /** Our own limit, if it is another while a worker starts. */
  #lend({ soft }: Limit): Limit | undefined {
    const ours = getFileLimit();
    // The hard limit may be lower than the caller's by now: somebody used prlimit(1).
    if (ours.soft === (soft < ours.hard ? soft : ours.hard)) return undefined;
    trySoftLimit(soft, ours.hard);
    return ours;
  }

  #spawnPlainly({ fileActions, environment }: ProcessParts): SpawnResult {
    const pid = Buffer.alloc(4);
    const error = libc.posixSpawn(
      pid,
      this.#path,
      fileActions,
      this.#attributes,
      this.#argv.pointers,
      environment.pointers,
    );
    return error === 0 ? { pid: pid.readInt32LE() } : { errno: error };
  }

  #startAfter(calls: readonly LibcCall[], { environment, streams }: ProcessParts): SpawnResult {
    const directory = this.#directory;
    // The child cannot say what it fails of before it executes.
    const errno = directory === undefined ? 0 : -attempt(() => libc.accessAt(directory, '.', X_OK, 0));
    if (errno > 0) return { errno };
    return startAfterCalls(
      [
        ['setsid'],
        ...(directory === undefined ? [] : [['fchdir', directory] as const]),
        ...[streams.stdin, streams.stdout, streams.stderr].flatMap(intoPlace),
        ...calls,
      ],
      ['execve', this.#path, this.#argv.pointers, environment.pointers],
    );
  }
}

/** Environment and descriptors of one process, or of all that have nothing of their own. */
class ProcessParts {
  readonly environment: StringVector;
  readonly streams: Streams;
  readonly fileActions = Buffer.alloc(512);

  constructor(environment: StringVector, streams: Streams, directory: number | undefined) {
    this.environment = environment;
    this.streams = streams;
    libc.fileActionsInit(this.fileActions);
    if (directory !== undefined) libc.fileActionsAddFchdir(this.fileActions, directory);
    [streams.stdin, streams.stdout, streams.stderr].forEach((source, target) => {
      libc.fileActionsAddDup2(this.fileActions, source, target);
    });
  }

  /** What the C library has allocated for them. */
  release(): void {
    libc.fileActionsDestroy(this.fileActions);
  }
}

/** dup2(2) takes close-on-exec off, but not where there is nothing to copy. */
function intoPlace(source: number, target: number): LibcCall[] {
  return source === target ? [['fcntl', target, F_SETFD, 0]] : [['dup2', source, target]];
}

/** A limit that cannot be set keeps no worker from running. */
function trySoftLimit(soft: bigint, hard: bigint): void {
  try {
    setFileLimit({ soft: soft < hard ? soft : hard, hard });
  } catch {
    // Lowered this very moment.
  }
}
