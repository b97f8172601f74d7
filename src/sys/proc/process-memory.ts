// How much memory a process has in RAM: quickly, as ps shows it, and with the pages that processes share divided among them.
import type { ProcFs } from './proc-fs.ts';

/** Of getauxval(3): the machine's page size, 4096 on most. */
const AT_PAGESZ = 6n;
const usualPageBytes = 4096;

/** Guards ask about many processes: nothing is computed twice. */
export class ProcessMemory {
  readonly #proc: ProcFs;
  #pageBytes: number | undefined;

  constructor(proc: ProcFs) {
    this.#proc = proc;
  }

  /** Bytes in RAM, those that are shared with others too: what ps calls RSS. Undefined: it is gone. */
  residentBytes(pid: number): number | undefined {
    const pages = this.#proc.readText(`${pid}/statm`)?.split(' ')[1];
    if (pages === undefined) return undefined;
    this.#pageBytes ??= pageBytesOf(this.#proc);
    return Number(pages) * this.#pageBytes;
  }

  /**
   * The same with each page divided by how many processes have it (Pss of smaps_rollup, proc(5)); undefined where it
   * may not be read. The kernel walks the page tables for it: a millisecond for some 100 MB.
   */
  shareBytes(pid: number): number | undefined {
    const text = this.#proc.readText(`${pid}/smaps_rollup`);
    const kilobytes = /^Pss:\s+(\d+) kB/m.exec(text ?? '')?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  }
}

function pageBytesOf(proc: ProcFs): number {
  const vector = proc.read('self/auxv');
  for (let offset = 0; vector && offset + 16 <= vector.length; offset += 16)
    if (vector.readBigUInt64LE(offset) === AT_PAGESZ) return Number(vector.readBigUInt64LE(offset + 8));
  return usualPageBytes;
}
