// What the kernel holds against a worker from its first instruction on: limits, priority, umask, no new privileges.

/** The resources of setrlimit(2), by the names of limits.conf(5) in small letters. */
export const resourceNames = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
] as const;

export type ResourceName = (typeof resourceNames)[number];

/** In the unit of the resource: bytes, seconds, microseconds of `rttime`, or a count; `unlimited` is RLIM_INFINITY. */
export interface ResourceLimit {
  readonly name: ResourceName;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** RLIM_INFINITY of every Linux, 64 bits. */
export const unlimited = 0xffff_ffff_ffff_ffffn;

export interface WorkerAttributes {
  /** One for a name. */
  readonly limits: readonly ResourceLimit[];
  /** -20 to 19; undefined: the caller's. */
  readonly nice: number | undefined;
  /** Undefined: the caller's. */
  readonly umask: number | undefined;
  /** prctl(2), PR_SET_NO_NEW_PRIVS: what it executes gains no rights by set-user-ID bits or file capabilities. */
  readonly hasNoNewPrivileges: boolean;
}

export const nothingAsked: WorkerAttributes = {
  limits: [],
  nice: undefined,
  umask: undefined,
  hasNoNewPrivileges: false,
};

/** Whether a process has to do something itself before it executes its program: of the umask it gets a copy of ours. */
export function needsOwnCalls({ limits, nice, hasNoNewPrivileges }: WorkerAttributes): boolean {
  return limits.length > 0 || nice !== undefined || hasNoNewPrivileges;
}
