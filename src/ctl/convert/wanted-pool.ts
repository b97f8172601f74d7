// What an input says, whatever its kind: pools in the words of spawn-fcgi's own options, and what these have no word for.
import type { RawOptions } from '../../command-line/options.ts';
import { baseName } from '../../core/text/program-word.ts';

export interface Variable {
  readonly name: string;
  readonly value: string;
  /** `%i` in the value stands for the slot; else it is what it is. */
  readonly isBySlot: boolean;
}

/** One sentence on one setting. */
export interface Note {
  /** It is not carried over; else it is, and differs in what is said. */
  readonly isLost: boolean;
  readonly says: string;
}

export interface WantedPool {
  /** For a unit, and for people. */
  readonly name: string;
  /** Where the input says it: `pool.conf: [www]`. */
  readonly place: string;
  readonly options: RawOptions;
  readonly variables: readonly Variable[];
  /** Empty where options.command is the program, or none is known. */
  readonly program: readonly string[];
  /** Names of variables that pass from the caller to the workers; undefined: all do. */
  readonly inherits: readonly string[] | undefined;
  readonly notes: readonly Note[];
}

export interface Converted {
  readonly pools: readonly WantedPool[];
  /** Of the input as a whole. */
  readonly notes: readonly Note[];
}

/** After the program, where nothing else names a pool. */
function nameOf({ program, options }: Draft): string {
  const word =
    program[0] ??
    options.command
      ?.trim()
      .replace(/^exec\s+/, '')
      .split(/\s/)[0] ??
    '';
  return baseName(word) || 'pool';
}

type Options = { -readonly [Key in keyof RawOptions]: RawOptions[Key] };

/** A pool while its settings are read one after the other. */
export class Draft {
  readonly options: Options = {};
  program: readonly string[] = [];
  inherits: readonly string[] | undefined;
  readonly #variables = new Map<string, Variable>();
  readonly #notes: Note[] = [];
  name: string;
  readonly #place: string;

  constructor(place: string, name = '') {
    this.name = name;
    this.#place = place;
  }

  /** The last one of a name counts. */
  addVariable(name: string, value: string, isBySlot = false): void {
    this.#variables.delete(name);
    this.#variables.set(name, { name, value, isBySlot });
  }

  addLimit(limit: string): void {
    this.options.rlimit = [...(this.options.rlimit ?? []), limit];
  }

  /** Not carried over: what it is, what that means, and what to do instead. */
  lose(says: string): void {
    this.#notes.push({ isLost: true, says });
  }

  /** Carried over, or not needed, with something to know. */
  remark(says: string): void {
    this.#notes.push({ isLost: false, says });
  }

  finish(): WantedPool {
    return {
      name: this.name === '' ? nameOf(this) : this.name,
      place: this.#place,
      options: this.options,
      variables: [...this.#variables.values()],
      program: this.program,
      inherits: this.inherits,
      notes: this.#notes,
    };
  }
}
