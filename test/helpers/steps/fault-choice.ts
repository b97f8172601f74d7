// Which system calls are made to fail, and how: each of those that an operation made, by its purpose, with the errors
// that it may well have, once and for good. All of them take hours: a run takes some of each operation, a seed
// turns round which.
import type { Fault, Step } from './step-tracer.ts';
import { turn } from './turn.ts';

const choice = process.env['SPAWN_FCGI_FAULTS'] ?? '';
const isFull = choice === 'all';
/** Of an operation in one setting; SPAWN_FCGI_FAULTS=N takes another number. */
const faultsEach = Number(choice) || 1;
const seed = Number(process.env['SPAWN_FCGI_FAULTS_SEED'] ?? 3491);
if (!isFull) console.log(`SPAWN_FCGI_FAULTS_SEED=${seed} repeats this choice of faults`);

/** Numbers of <errno.h> on Linux. */
const errnos = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENOEXEC: 8,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  ENOLCK: 37,
  ENOSYS: 38,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
} as const;
export type ErrorName = keyof typeof errnos;

/** By the first word of a call's name. */
const errorsOf: Readonly<Record<string, readonly ErrorName[]>> = {
  accept: ['EMFILE', 'ENOMEM'],
  access: ['EACCES', 'ENOMEM'],
  allocate: ['ENOSPC', 'EIO'],
  bind: ['EADDRINUSE', 'EACCES', 'ENOMEM'],
  capget: ['EPERM'],
  chdir: ['EACCES', 'EIO'],
  chmod: ['EPERM', 'EROFS'],
  chown: ['EPERM', 'EROFS'],
  chroot: ['EPERM', 'EACCES'],
  close: ['EIO'],
  close_range: ['ENOSYS', 'EPERM'],
  connect: ['EAGAIN', 'EACCES', 'ECONNREFUSED'],
  create: ['EACCES', 'ENOSPC', 'EMFILE'],
  dup2: ['EBUSY', 'EMFILE'],
  execve: ['EACCES', 'ENOEXEC', 'ENOMEM'],
  fchdir: ['EACCES'],
  fcntl: ['EINVAL', 'EPERM'],
  flock: ['ENOLCK', 'EIO'],
  fork: ['EAGAIN', 'ENOMEM'],
  getrlimit: ['EPERM'],
  getsockname: ['ENOBUFS'],
  getsockopt: ['ENOMEM', 'EPERM'],
  getxattr: ['EACCES'],
  ioctl: ['EPERM', 'EINVAL'],
  kill: ['EPERM'],
  list: ['EIO', 'ENOMEM'],
  listen: ['EADDRINUSE'],
  mkdir: ['EACCES', 'ENOSPC'],
  open: ['EMFILE', 'ENFILE', 'EACCES', 'EIO'],
  pidfd_getfd: ['EPERM', 'EMFILE'],
  pidfd_open: ['EMFILE', 'ENOSYS'],
  pipe: ['EMFILE', 'ENFILE'],
  poll: ['ENOMEM'],
  prctl: ['EPERM'],
  process_vm_readv: ['EPERM'],
  read: ['EIO', 'ENOMEM'],
  readlink: ['EACCES', 'ENOMEM'],
  receive: ['ENOMEM', 'ENOBUFS'],
  rmdir: ['EBUSY', 'EACCES'],
  send: ['ENOBUFS', 'EPERM'],
  setgid: ['EPERM'],
  setgroups: ['EPERM', 'ENOMEM'],
  setresuid: ['EAGAIN'],
  setrlimit: ['EPERM'],
  setsid: ['EPERM'],
  setsockopt: ['EPERM', 'ENOMEM'],
  setuid: ['EPERM', 'EAGAIN'],
  socket: ['EMFILE', 'ENFILE', 'EACCES'],
  stat: ['EACCES', 'ENOMEM'],
  truncate: ['EIO', 'EROFS'],
  unlink: ['EACCES', 'EROFS', 'EBUSY'],
  wait: ['ECHILD'],
  waitid: ['ECHILD'],
  write: ['ENOSPC', 'EIO', 'EPIPE'],
};

export interface NamedFault extends Fault {
  readonly error: ErrorName;
}

/** What was chosen for other operations. */
const seen = new Set<string>();

/** The calls of an undisturbed run: the first of each name fails, the last, or all. */
export function chooseFaults(calls: readonly Step[], operation: number): NamedFault[] {
  const all = faultsOf(calls);
  if (isFull) return all;
  // Without a number the sample is of calls that fail once: what fails for good has its own run.
  const turned = turn(choice === '' ? all.filter(({ action }) => action === 'once') : all, seed + operation);
  const chosen: NamedFault[] = [];
  for (const fault of turned) {
    if (chosen.length === faultsEach) break;
    const kind = `${fault.name} ${fault.action}`;
    if (seen.has(kind) || chosen.some(({ name }) => name === fault.name)) continue;
    seen.add(kind);
    chosen.push(fault);
  }
  return chosen;
}

function faultsOf(calls: readonly Step[]): NamedFault[] {
  const counts = new Map<string, number>();
  for (const { name, nth } of calls) {
    // A front that cannot be told is one that was killed (killed-starts.test.ts).
    if (name !== 'write status') counts.set(name, Math.max(nth, counts.get(name) ?? 0));
  }
  return [...counts].flatMap(([name, last]) =>
    (errorsOf[name.replace(/^child /, '').split(' ')[0] ?? ''] ?? []).flatMap((error): NamedFault[] => {
      const fault = { name, error, errno: errnos[error] };
      const once = [...new Set([1, last])].map((nth) => ({ ...fault, action: 'once' as const, nth }));
      // A pool that never can say what it is has nobody to find it.
      return name === 'write .state' ? once : [...once, { ...fault, action: 'always', nth: 1 }];
    }),
  );
}
