// The files that workers print into: one for all, or one for each slot. Opened before chroot and the drop of
// privileges; a slot that is added later has its file in the same directory, as far as we may by then.
import { resolve } from 'node:path';
import { forSlot, namesSlot } from '../../core/slot-pattern.ts';
import type { NameAt } from '../path/file-at.ts';
import { AppendFile, noOwner, openPlace, type AppendFileOptions } from './append-file.ts';
import type { OnCreated, Owner, Refuse } from './append-file.ts';

export interface OutputFilesOptions {
  /** `%i` is the slot. */
  readonly pattern: string;
  readonly slots: number;
  /** Whom files that we make are given to. */
  readonly owner: Owner;
  readonly refuse: Refuse;
  readonly onCreated: OnCreated;
  readonly onFound: NonNullable<AppendFileOptions['onFound']>;
}

export class OutputFiles {
  /** Whether each slot has its own. */
  readonly isBySlot: boolean;
  readonly #absolute: string;
  readonly #place: NameAt;
  readonly #refuse: Refuse;
  readonly #first: AppendFile;
  readonly #bySlot = new Map<number, AppendFile>();

  /** Throws what `refuse` makes of the reason. */
  constructor({ pattern, slots, owner, refuse, onCreated, onFound }: OutputFilesOptions) {
    this.isBySlot = namesSlot(pattern);
    this.#refuse = refuse;
    this.#place = openPlace(pattern, refuse);
    const open = (slot: number): AppendFile => this.#open(slot, owner, onCreated, onFound);
    this.#first = open(0);
    // In a working directory that was removed there is none: what opening says of that comes first.
    this.#absolute = resolve(pattern);
    this.#bySlot.set(0, this.#first);
    for (let slot = 1; this.isBySlot && slot < slots; slot++) this.#bySlot.set(slot, open(slot));
  }

  /** Absolute. */
  get paths(): string[] {
    return [...this.#bySlot.keys()].map((slot) => forSlot(this.#absolute, slot));
  }

  /** That of slot 0 where the slot has none. */
  of(slot: number): AppendFile {
    return this.#bySlot.get(slot) ?? this.#first;
  }

  /** Opens that of a slot that was added; throws where we may not. */
  add(slot: number): void {
    if (!this.isBySlot || this.#bySlot.has(slot)) return;
    this.#bySlot.set(
      slot,
      this.#open(slot, noOwner, () => undefined),
    );
  }

  /** Opens all anew by their names; the result: why some could not be, which stay what they are. */
  reopen(): Error[] {
    return [...this.#bySlot.values()].flatMap((file) => {
      try {
        file.reopen();
        return [];
      } catch (error) {
        return [error as Error];
      }
    });
  }

  #open(
    slot: number,
    owner: Owner,
    onCreated: OnCreated,
    onFound?: AppendFileOptions['onFound'],
  ): AppendFile {
    const { directory, name, path } = this.#place;
    const at = { directory, name: forSlot(name, slot), path: forSlot(path, slot) };
    return new AppendFile({ at, owner, waits: true, refuse: this.#refuse, onCreated, onFound });
  }
}
