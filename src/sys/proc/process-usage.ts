// Memory and CPU of processes, by pidusage (its only import). Loaded when it is asked
// for: pidusage loads child_process and calls getconf.

export interface Usage {
  readonly rssBytes: number;
  /** Of one processor, averaged over the life of the process, as ps(1) does. */
  readonly cpuPercent: number;
}

/** pidusage keeps a descriptor open for each process of a call. */
const atOnce = 200;

/** What can be measured; a process that is gone is left out. Never fails. */
export async function measureProcesses(pids: readonly number[]): Promise<Map<number, Usage>> {
  const usages = new Map<number, Usage>();
  if (pids.length === 0) return usages;
  // It would explain a missing getconf on our stderr.
  process.env['PIDUSAGE_SILENT'] = '1';
  const { default: pidusage } = await import('pidusage');
  for (let start = 0; start < pids.length; start += atOnce) {
    // Given explicitly: the environment must not choose another way.
    const options = { usePs: false, maxage: 60_000 };
    const measured = await pidusage(pids.slice(start, start + atOnce), options).catch(() => ({}));
    for (const [pid, one] of Object.entries(measured)) {
      // A process that ended meanwhile has an empty place.
      if (!one) continue;
      const cpuPercent = one.elapsed > 0 ? (one.ctime / one.elapsed) * 100 : 0;
      usages.set(Number(pid), { rssBytes: one.memory, cpuPercent });
    }
  }
  return usages;
}
