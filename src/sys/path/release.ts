// A generation's release, pinned: -d and the directory part of the program's path are
// resolved once, so that a deploy which switches a symbolic link reaches the workers of
// the next generation only, whenever one of this generation is started again.
import { constants, openSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { everyStep } from '../../core/every-step.ts';
import type { Spawner } from '../../core/machine.ts';
import type { WorkerAttributes } from '../../core/worker-attributes.ts';
import { O_CLOEXEC, O_PATH } from './file-at.ts';
import { E, libc } from '../libc/libc.ts';
import type { WorkerOomScore } from '../process/oom-score.ts';
import {
  ProcessTemplate,
  type CommandLine,
  type OwnParts,
  type SpawnResult,
  type Streams,
} from '../process/spawn-worker.ts';
import type { Limit } from '../process/resource-limit.ts';

/** What every generation starts from; paths are resolved anew for each. */
export interface ReleaseSource {
  readonly command: CommandLine;
  /** -d, absolute; undefined: the working directory stays what it is, readable or not. */
  readonly directory: string | undefined;
  readonly environment: readonly Buffer[];
  readonly streams: Streams;
  readonly fileLimit: Limit;
  readonly attributes: WorkerAttributes;
  /** Surrounds the start of each process. */
  readonly oomScore: WorkerOomScore | undefined;
  /** The first process of a generation is about to start. */
  readonly onPin: () => void;
  /** Hears of every process at once. */
  readonly onSpawn: (pid: number) => void;
}

interface Release {
  /** The file as it is executed. */
  readonly path: string | Buffer;
  /** A descriptor of -d. */
  readonly directory: number | undefined;
  readonly template: ProcessTemplate;
}

/** A link that is switched this often while we look is somebody's mistake. */
const mostLooks = 5;

/** Starts workers of generations; the first of each pins it. */
export class Releases implements Pick<Spawner, 'pathOf' | 'keepOnly'> {
  readonly #source: ReleaseSource;
  readonly #byGeneration = new Map<number, Release>();

  constructor(source: ReleaseSource) {
    this.#source = source;
  }

  /** A process of the generation; `own` is what it has that the others do not. */
  spawn(generation: number, own?: OwnParts): SpawnResult {
    const release = this.#byGeneration.get(generation) ?? this.#pin(generation);
    if (typeof release === 'number') return { errno: release };
    const { template } = release;
    const { oomScore } = this.#source;
    const result = oomScore ? oomScore.during(() => template.spawn(own)) : template.spawn(own);
    // The process is there: whoever does not hear of it must not hide it.
    if ('pid' in result) {
      const { pid } = result;
      everyStep(
        () => undefined,
        () => this.#source.onSpawn(pid),
      );
    }
    return result;
  }

  pathOf(generation: number): string {
    return String(this.#byGeneration.get(generation)?.path ?? this.#source.command.path);
  }

  keepOnly(generations: readonly number[]): void {
    for (const generation of this.#byGeneration.keys()) {
      if (!generations.includes(generation)) this.drop(generation);
    }
  }

  /** The next process of the generation pins it anew. */
  drop(generation: number): void {
    const release = this.#byGeneration.get(generation);
    if (!release) return;
    release.template.release();
    if (release.directory !== undefined) libc.close(release.directory);
    this.#byGeneration.delete(generation);
  }

  /** The release, or the errno of its directory. */
  #pin(generation: number): Release | number {
    try {
      this.#source.onPin();
      const { path, directory } = this.#resolve();
      const { command, environment, streams, fileLimit, attributes } = this.#source;
      const template = new ProcessTemplate(
        { ...command, path },
        environment,
        streams,
        fileLimit,
        directory,
        attributes,
      );
      const release = { path, directory, template };
      this.#byGeneration.set(generation, release);
      return release;
    } catch (error) {
      return errnoOf(error) || E.NOENT;
    }
  }

  /** Both of one moment: a link that is switched in between must not mix two releases. */
  #resolve(): Pick<Release, 'path' | 'directory'> {
    const typed = this.#source.command.path;
    const { directory } = this.#source;
    if (directory === undefined) return { path: pinPath(typed, undefined), directory };
    for (let look = 1; ; look++) {
      const real = realpathSync(directory);
      const path = pinPath(typed, real);
      if (realpathSync(directory) !== real && look < mostLooks) continue;
      return { path, directory: openSync(real, O_PATH | constants.O_DIRECTORY | O_CLOEXEC) };
    }
  }
}

/**
 * The program's path with links in its directory part resolved. Where there are none it stays as
 * typed, which is what a script sees as its own name; so it does where it cannot be resolved.
 */
function pinPath(typed: string | Buffer, directory: string | undefined): string | Buffer {
  const path = typed.toString();
  // Not UTF-8: the bytes as they came.
  if (typeof typed !== 'string' && !Buffer.from(path).equals(typed)) return typed;
  if (!path.includes('/')) return typed;
  try {
    // A working directory that was removed has no name, and needs none for an absolute path.
    const unresolved = isAbsolute(path) ? dirname(path) : resolve(directory ?? process.cwd(), dirname(path));
    const real = realpathSync(unresolved);
    return real === resolve(unresolved) ? typed : join(real, basename(path));
  } catch {
    return typed;
  }
}
