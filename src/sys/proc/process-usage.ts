// Memory and CPU of processes, by pidusage (its only import). Loaded when it is asked
// for: pidusage loads child_process and calls getconf.

export interface Usage {
  readonly rssBytes: number;
  /** Time on a processor, and since its start. */
  readonly cpuMs: number;
  readonly aliveMs: number;
}

/** pidusage keeps a descriptor open for each process of a call, and so long after the last. */
const atOnce = 200;
const keptMs = 5000;

/** What can be measured; a process that is gone is left out. Never fails. */
export async function measureProcesses(pids: readonly number[]): Promise<Map<number, Usage>> {
  const usages = new Map<number, Usage>();
  if (pids.length === 0) return usages;
  // It would explain a missing getconf on our stderr.
  process.env['PIDUSAGE_SILENT'] = '1';
  const { default: pidusage } = await import('pidusage');
  for (let start = 0; start < pids.length; start += atOnce) {
    // Given explicitly: the environment must not choose another way.
    const options = { usePs: false, maxage: keptMs };
    const measured = await pidusage(pids.slice(start, start + atOnce), options).catch(() => ({}));
    for (const [pid, one] of Object.entries(measured)) {
      // A process that ended meanwhile has an empty place.
      if (!one) continue;
      usages.set(Number(pid), { rssBytes: one.memory, cpuMs: one.ctime, aliveMs: one.elapsed });
    }
  }
  return usages;
}
