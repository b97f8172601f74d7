// A pool's state file, written through its descriptor alone: a new text goes beside the last whole one, never over it,
// so that whoever reads, or takes over after a kill, finds a whole one. Its room is asked for in advance.
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { findPoolState, formatPoolState, type PoolState } from '../../core/pool-state.ts';
import { bootOffset, readPoolState, writePoolState } from '../proc/boot-clock.ts';
import { reserveRoom } from './reserve-room.ts';

const bytesPerWorker = 64;
const bytesPerPool = 1024;
const newline = 0x0a;

/** Room for one text: of a pool with so many workers, and as long as this one. */
function roomFor(workers: number, length: number): number {
  const needed = Math.max(bytesPerPool + workers * bytesPerWorker, length);
  return Math.ceil(needed / bytesPerPool) * bytesPerPool;
}

export class StateFile {
  readonly #descriptor: number;
  /** The last whole text and where it is; undefined: to be looked for. */
  #last: { readonly sequence: number; readonly offset: number; readonly length: number } | undefined;
  #room = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    // A chroot may have no /proc.
    bootOffset();
  }

  /** Asks for room for two texts; why there is none, or undefined. */
  reserve(workers: number): number | undefined {
    this.#room = roomFor(workers, 0);
    return reserveRoom(this.#descriptor, 2 * this.#room);
  }

  read(): PoolState | undefined {
    return readPoolState(readAll(this.#descriptor).toString());
  }

  /** Another supervisor has written meanwhile. */
  forget(): void {
    this.#last = undefined;
  }

  write(state: PoolState): void {
    try {
      this.#write(state);
    } catch {
      // A full /run must not end a pool: the state is a hint. The last text is whole still.
    }
  }

  #write(state: PoolState): void {
    // Offsets are those of bytes.
    this.#last ??= findPoolState(readAll(this.#descriptor).toString('latin1'));
    const sequence = (this.#last?.sequence ?? 0) + 1;
    // What was there before may end in the middle of a line.
    const text = Buffer.from(`\n${formatPoolState(writePoolState(state), sequence)}\n`);
    this.#room = Math.max(this.#room, roomFor(state.workers.length, text.length));
    const place = Buffer.alloc(this.#room, newline);
    text.copy(place);
    const offset = this.#findPlace();
    writeFully(this.#descriptor, place, offset);
    this.#last = { sequence, offset, length: text.length };
  }

  clear(): void {
    ftruncateSync(this.#descriptor, 0);
  }

  /** The first place that has nothing of the last text. */
  #findPlace(): number {
    const { offset = 0, length = 0 } = this.#last ?? {};
    for (let place = 0; ; place += this.#room) {
      if (place >= offset + length || place + this.#room <= offset) return place;
    }
  }
}

function readAll(descriptor: number): Buffer {
  const buffer = Buffer.alloc(fstatSync(descriptor).size);
  return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, 0));
}

function writeFully(descriptor: number, content: Buffer, offset: number): void {
  for (let written = 0; written < content.length;) {
    written += writeSync(descriptor, content, written, content.length - written, offset + written);
  }
}
