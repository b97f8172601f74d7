// Memory and processor time of a process by /proc/PID/stat and status, for who measures many of them at once, from the
// supervisor (ProcFs, also in a chroot) or from spawn-fcgictl.

export interface StatUsage {
  readonly rssBytes: number;
  readonly cpuMs: number;
  /** Of its children that have ended and that it has waited for, and theirs. */
  readonly childrenCpuMs: number;
}

/** A file below /proc, such as `1234/stat`; undefined: it cannot be read. */
export type ReadProc = (path: string) => string | undefined;

/** USER_HZ, in which /proc tells times: 100 on every architecture that Node runs on. */
const msPerTick = 10;

/** Undefined: it is gone, or /proc cannot be seen. */
export function readUsage(read: ReadProc, pid: number): StatUsage | undefined {
  const stat = read(`${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name before may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (index: number): number => Number(fields[index]) || 0;
  return {
    rssBytes: readResident(read, pid),
    cpuMs: (ticks(11) + ticks(12)) * msPerTick,
    childrenCpuMs: (ticks(13) + ticks(14)) * msPerTick,
  };
}

/** In stat it is in pages, whose size nobody tells. */
function readResident(read: ReadProc, pid: number): number {
  const kilobytes = /^VmRSS:\s*(\d+) kB/m.exec(read(`${pid}/status`) ?? '')?.[1];
  return Number(kilobytes ?? 0) * 1024;
}
