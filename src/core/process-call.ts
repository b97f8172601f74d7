// What a process is seen to be at: where its threads are in the kernel.

export interface ProcessCall {
  readonly pid: number;
  /** The program's, as the kernel has it; not to be trusted. */
  readonly name: string;
  /** As /proc/PID/stat has it: R runs, S sleeps, D cannot be interrupted, T and t are stopped. */
  readonly state: string;
  /** The system call; missing: it is in none, or nobody may look. */
  readonly call?: string;
  /** The function of the kernel that it sleeps in; missing: in none, or the kernel does not tell. */
  readonly wchan?: string;
  /** Functions of the kernel, the innermost first; only root may look. */
  readonly stack?: readonly string[];
  /** How many of its threads are there. */
  readonly threads: number;
}
