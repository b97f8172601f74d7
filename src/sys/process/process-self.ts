// This process as others see it: its name, whether others of its uid may look
// into it, and its memory once the start is over.
import { readFileSync } from 'node:fs';
import { splitAtNul } from './caller.ts';
import { cString } from '../libc/memory.ts';
import { libc } from '../libc/libc.ts';
import type { ProcFs } from '../proc/proc-fs.ts';

const MADV_DONTNEED = 4;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const PR_SET_CHILD_SUBREAPER = 36;

/**
 * Gives this process the names that its program has: as the first argument the program as written, which init scripts
 * compare (and Debian's pidof, and killall for names over 15 bytes), as comm its base name, which killall, pgrep and
 * start-stop-daemon go by and of which the kernel keeps 15 bytes. Behind it ps shows `spawn-fcgi` and our arguments,
 * the address among them, where Node's path and flags were.
 */
export function setProcessName(argv0: Buffer, program: readonly Buffer[]): void {
  libc.prctlName(PR_SET_NAME, 'void *', cString(argv0.subarray(argv0.lastIndexOf('/') + 1)));
  const area = readArgumentArea();
  if (!area) return;
  const kept = splitAtNul(area.bytes).slice(process.execArgv.length + 2);
  const full = joinWords([argv0, 'spawn-fcgi', ...kept]);
  const text = full.length <= area.bytes.length ? full : withProgramOnce(argv0, program, kept);
  const filled = Buffer.alloc(area.bytes.length);
  // A last byte that is not 0 would make the kernel show the environment, too.
  text.copy(filled, 0, 0, filled.length - 1);
  libc.memcpy(area.start, filled, filled.length);
}

/** There is room for a long program once, with its arguments, which pkill -f looks for; our options come last. */
function withProgramOnce(argv0: Buffer, program: readonly Buffer[], kept: readonly Buffer[]): Buffer {
  const options = kept.filter((word) => !program.some((own) => own.equals(word)));
  const text = joinWords([...program, 'spawn-fcgi', ...options]);
  if (!text.subarray(0, argv0.length).equals(argv0)) return joinWords([argv0, 'spawn-fcgi', ...kept]);
  // The command of -f is one argument.
  text[argv0.length] = 0;
  return text;
}

function joinWords(words: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat(words.map(cString));
}

/** The memory that /proc/PID/cmdline shows: arg_start and arg_end of /proc/PID/stat (fields 48 and 49). */
function readArgumentArea(): { start: bigint; bytes: Buffer } | undefined {
  try {
    const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    const [start, end] = [BigInt(fields[45] ?? 0), BigInt(fields[46] ?? 0)];
    const bytes = readFileSync('/proc/self/cmdline');
    return start > 0n && end - start === BigInt(bytes.length) ? { start, bytes } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A pool has ended: whoever inherited this process may never reap it, and its zombie must not look like
 * the program to those who ask for that by name.
 */
export function dropProcessName(): void {
  libc.prctlName(PR_SET_NAME, 'void *', cString('ended'));
}

/** Keeps a worker of the same uid from tracing us or opening our descriptors (prctl(2)). */
export function forbidInspection(): void {
  libc.prctlNumber(PR_SET_DUMPABLE, 'ulong', 0);
}

/**
 * What a worker leaves behind becomes our child (prctl(2)), and is reaped: the PID 1 of a container may
 * be one that reaps nobody.
 */
export function adoptOrphans(): void {
  libc.prctlNumber(PR_SET_CHILD_SUBREAPER, 'ulong', 1);
}

/**
 * Gives back garbage and free memory. The result gives back clean pages of mapped files as well: 40 MB of Node's code
 * above all, which the kernel maps again from its cache where it is needed, 64 KiB at a time, while the next thing that
 * happens waits. The first collection drops the compiled code of what ran once, a second one closes the gaps: 0.9 MB
 * behind a start, and 20 ms.
 */
export function releaseMemory(proc: ProcFs | undefined, collections: number): () => void {
  // Read first, since that leaves garbage.
  const clean = cleanMappings(proc?.readWhole('self/smaps') ?? '');
  // The front passes --expose-gc.
  for (let left = collections; left > 0; left--)
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  libc.mallocTrim(0);
  return () => {
    // What was unmapped since may have made room for something else.
    const now = proc?.readWhole('self/maps') ?? '';
    for (const { line, start, length } of clean) {
      if (now.includes(line)) libc.madvise(start, length, MADV_DONTNEED);
    }
  };
}

interface Mapping {
  /** As proc(5)'s maps shows it. */
  readonly line: string;
  readonly start: bigint;
  readonly length: number;
}

/**
 * Parts of files that are mapped, cannot be written to, and have not been changed in memory. By proc(5)'s smaps: a
 * line as in maps, with hexadecimal addresses, rights and the file's path, then lines of figures.
 */
function cleanMappings(smaps: string): Mapping[] {
  return smaps.split(/^(?=[0-9a-f]+-)/m).flatMap((entry) => {
    const found = /^([0-9a-f]+)-([0-9a-f]+) r-.. \S+ \S+ \d+ +\/.*$/m.exec(entry);
    if (!found || !/^Anonymous: +0 kB$/m.test(entry)) return [];
    const [start, end] = [BigInt(`0x${found[1]}`), BigInt(`0x${found[2]}`)];
    // A copy: V8 would keep the whole text for a part of it.
    const line = Buffer.from(found[0]).toString();
    return [{ line, start, length: Number(end - start) }];
  });
}
