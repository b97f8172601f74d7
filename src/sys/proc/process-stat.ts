// What /proc/PID/stat says of a process (proc(5)).

/** What /proc/PID/stat says of a process that matters here. */
export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly threads: number;
  /** On its way through exit(2): a running process still, whose descriptors can no longer be seen. */
  readonly isExiting: boolean;
  /** Clock ticks since boot; with the PID it names a process for ever. */
  readonly startTime: string;
}

const PF_EXITING = 0x4;

/** Fields of /proc/PID/stat by proc(5). */
export function parseStat(pid: number, text: string): ProcessStat {
  // comm may hold spaces and parentheses: fields start after the last one.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return {
    pid,
    comm: text.slice(text.indexOf('(') + 1, end),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    isExiting: (Number(fields[6]) & PF_EXITING) !== 0,
    threads: Number(fields[17]),
    startTime: fields[19] ?? '',
  };
}

/** Not a zombie. One whose first thread alone has ended shows as a zombie, but its other threads go on. */
export function isRunning({ state, threads }: ProcessStat): boolean {
  return (state !== 'Z' && state !== 'X') || threads > 1;
}
