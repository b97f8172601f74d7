// What the configuration of a web server says that matters here, for each kind of server that is known.
import type { Files } from './nginx-tree.ts';
import type { Pass } from './pass.ts';

export interface Configuration {
  /** Whom it is to run as; undefined: nothing is said. */
  readonly user: string | undefined;
  readonly passes: readonly Pass[];
}

export interface Kind {
  readonly name: string;
  /** Names of its processes. */
  readonly processes: readonly string[];
  /** Where its configuration is, unless its command line says so. */
  readonly paths: readonly string[];
  /** A word that its configuration has and others' do not. */
  readonly sign: RegExp;
  read(path: string, files: Files): Configuration;
}

/** A line of a configuration, and where it stands. */
export interface Line {
  readonly text: string;
  /** `FILE:LINE`. */
  readonly place: string;
}
