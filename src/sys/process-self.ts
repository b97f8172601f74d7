// This process as others see it: its name, whether others of its uid may look
// into it, and its memory once the start is over.
import { readFileSync } from 'node:fs';
import { splitAtNul } from './caller.ts';
import { cString, libc } from './libc.ts';

const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;

/**
 * Sets comm, which killall, pgrep and start-stop-daemon go by, and the first argument,
 * which Debian's pidof goes by, and killall for names over 15 bytes: the kernel keeps no
 * more of comm, ours as well as a worker's. ps shows `NAME spawn-fcgi` and our arguments
 * where Node's path and flags were.
 */
export function setProcessName(name: string): void {
  libc.prctlName(PR_SET_NAME, 'str', name);
  const area = readArgumentArea();
  if (!area) return;
  const kept = splitAtNul(area.bytes).slice(process.execArgv.length + 2);
  const text = Buffer.concat([name, 'spawn-fcgi', ...kept].map(cString));
  const filled = Buffer.alloc(area.bytes.length);
  // A very long name leaves no room for the last arguments.
  text.copy(filled, 0, 0, filled.length - 1);
  libc.memcpy(area.start, filled, filled.length);
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

/** Keeps a worker of the same uid from tracing us or opening our descriptors (prctl(2)). */
export function forbidInspection(): void {
  libc.prctlNumber(PR_SET_DUMPABLE, 'ulong', 0);
}

/** Gives back what only the start needed: one full collection, then free pages to the kernel. */
export function releaseStartMemory(): void {
  // The front passes --expose-gc.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  libc.mallocTrim(0);
}
