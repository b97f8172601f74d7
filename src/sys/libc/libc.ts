// The C library by koffi: raw signatures, declared on first use because each
// costs start-up time. No policy here.
import { SyscallError } from '../../core/errors.ts';
import { native } from './native.ts';

function declare<A extends unknown[], R>(prototype: string): (...args: A) => R {
  let call: ((...args: A) => R) | undefined;
  return (...args) => (call ??= native().library.func(prototype) as (...args: A) => R)(...args);
}

/** A function that not every C library has: `without` is the answer where it is missing. */
function declareWhereKnown<A extends unknown[], R>(prototype: string, without: R): (...args: A) => R {
  let call: ((...args: A) => R) | undefined;
  return (...args) => (call ??= findFunction<A, R>(prototype) ?? (() => without))(...args);
}

function findFunction<A extends unknown[], R>(prototype: string): ((...args: A) => R) | undefined {
  const { library } = native();
  try {
    return library.func(prototype) as (...args: A) => R;
  } catch {
    return undefined;
  }
}

type Ptr = Buffer | null;

/** Signatures as in the manual pages; a Buffer stands for a pointer to a structure. */
export const libc = {
  accept4: declare<[number, null, null, number], number>('int accept4(int, void *, void *, int)'),
  accessAt: declare<[number, string, number, number], number>('int faccessat(int, const char *, int, int)'),
  bind: declare<[number, Buffer, number], number>('int bind(int, const void *, uint32_t)'),
  capget: declare<[Buffer, Buffer], number>('int capget(void *, void *)'),
  chroot: declare<[string], number>('int chroot(const char *)'),
  clockGettime: declare<[number, Buffer], number>('int clock_gettime(int, void *)'),
  clone: declare<[bigint, bigint, number, Buffer], number>('int clone(uint64_t, uint64_t, int, void *)'),
  close: declare<[number], number>('int close(int)'),
  connect: declare<[number, Buffer, number], number>('int connect(int, const void *, uint32_t)'),
  dlsym: declare<[null, string], number | bigint>('uint64_t dlsym(void *, const char *)'),
  dup2: declare<[number, number], number>('int dup2(int, int)'),
  dup3: declare<[number, number, number], number>('int dup3(int, int, int)'),
  epollCreate1: declare<[number], number>('int epoll_create1(int)'),
  epollCtl: declare<[number, number, number, Buffer], number>('int epoll_ctl(int, int, int, void *)'),
  epollWait: declare<[number, Buffer, number, number], number>('int epoll_wait(int, void *, int, int)'),
  execve: declare<[Buffer, Buffer, Buffer], number>('int execve(const void *, const void *, const void *)'),
  fallocate: declare<[number, number, number, number], number>('int fallocate(int, int, int64_t, int64_t)'),
  fchdir: declare<[number], number>('int fchdir(int)'),
  fchmodat: declare<[number, string, number, number], number>('int fchmodat(int, const char *, uint, int)'),
  fchownat: declare<[number, string, number, number, number], number>(
    'int fchownat(int, const char *, uint, uint, int)',
  ),
  fcntl: declare<[number, number, 'int', number], number>('int fcntl(int, int, ...)'),
  flock: declare<[number, number], number>('int flock(int, int)'),
  getcontext: declare<[Buffer], number>('int getcontext(void *)'),
  getgrnam: declare<[string], unknown>('void *getgrnam(const char *)'),
  getpeername: declare<[number, Buffer, Buffer], number>('int getpeername(int, void *, void *)'),
  getpwnam: declare<[string], unknown>('void *getpwnam(const char *)'),
  getpwuid: declare<[number], unknown>('void *getpwuid(uint)'),
  getresgid: declare<[Buffer, Buffer, Buffer], number>('int getresgid(void *, void *, void *)'),
  getresuid: declare<[Buffer, Buffer, Buffer], number>('int getresuid(void *, void *, void *)'),
  getsid: declare<[number], number>('int getsid(int)'),
  getsockname: declare<[number, Buffer, Buffer], number>('int getsockname(int, void *, void *)'),
  getsockopt: declare<[number, number, number, Buffer, Buffer], number>(
    'int getsockopt(int, int, int, void *, void *)',
  ),
  getrlimit: declare<[number, Buffer], number>('int getrlimit(int, void *)'),
  getxattr: declare<[string, string, Ptr, number], number>(
    'long getxattr(const char *, const char *, void *, ulong)',
  ),
  inetAton: declare<[string, Buffer], number>('int inet_aton(const char *, void *)'),
  inetPton: declare<[number, string, Buffer], number>('int inet_pton(int, const char *, void *)'),
  initgroups: declare<[string, number], number>('int initgroups(const char *, uint)'),
  inotifyAddWatch: declare<[number, string, number], number>(
    'int inotify_add_watch(int, const char *, uint)',
  ),
  inotifyInit1: declare<[number], number>('int inotify_init1(int)'),
  ioctl: declare<[number, number, 'int', number], number>('int ioctl(int, ulong, ...)'),
  ioctlPointer: declare<[number, number, 'void *', Buffer], number>('int ioctl(int, ulong, ...)'),
  isatty: declare<[number], number>('int isatty(int)'),
  kill: declare<[number, number], number>('int kill(int, int)'),
  listen: declare<[number, number], number>('int listen(int, int)'),
  madvise: declare<[bigint, number, number], number>('int madvise(uint64_t, ulong, int)'),
  /** Variadic; the C library takes as many as the number in the third place says. */
  makecontext: declare<[Buffer, bigint, number, bigint, bigint, bigint, bigint, bigint], void>(
    'void makecontext(void *, uint64_t, int, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)',
  ),
  memcpy: declare<[bigint, Buffer, number], void>('void memcpy(uint64_t, const void *, ulong)'),
  mkdirat: declare<[number, string, number], number>('int mkdirat(int, const char *, uint)'),
  /** glibc alone has it: musl's free(3) gives back by itself. */
  mallocTrim: declareWhereKnown<[number], number>('int malloc_trim(ulong)', 0),
  openat: declare<[number, string, number, number], number>('int openat(int, const char *, int, int)'),
  pipe2: declare<[Buffer, number], number>('int pipe2(void *, int)'),
  poll: declare<[Buffer, number, number], number>('int poll(void *, ulong, int)'),
  posixSpawn: declare<[Buffer, Buffer, Buffer, Buffer, Buffer, Buffer], number>(
    'int posix_spawn(void *, const void *, void *, void *, const void *, const void *)',
  ),
  fileActionsAddDup2: declare<[Buffer, number, number], number>(
    'int posix_spawn_file_actions_adddup2(void *, int, int)',
  ),
  /** glibc 2.29, musl 1.1.24. */
  fileActionsAddFchdir: declare<[Buffer, number], number>(
    'int posix_spawn_file_actions_addfchdir_np(void *, int)',
  ),
  fileActionsDestroy: declare<[Buffer], number>('int posix_spawn_file_actions_destroy(void *)'),
  fileActionsInit: declare<[Buffer], number>('int posix_spawn_file_actions_init(void *)'),
  spawnattrInit: declare<[Buffer], number>('int posix_spawnattr_init(void *)'),
  spawnattrSetflags: declare<[Buffer, number], number>('int posix_spawnattr_setflags(void *, short)'),
  spawnattrSetsigdefault: declare<[Buffer, Buffer], number>(
    'int posix_spawnattr_setsigdefault(void *, void *)',
  ),
  spawnattrSetsigmask: declare<[Buffer, Buffer], number>('int posix_spawnattr_setsigmask(void *, void *)'),
  pread: declare<[number, Buffer, number, number], number>('long pread(int, void *, ulong, long)'),
  pwrite: declare<[number, Buffer, number, number], number>('long pwrite(int, const void *, ulong, long)'),
  prctlName: declare<[15, 'void *', Buffer], number>('int prctl(int, ...)'),
  prctlFlag: declare<[number, 1, 0, 0, 0], number>('int prctl(int, ulong, ulong, ulong, ulong)'),
  prctlNumber: declare<[number, 'ulong', number], number>('int prctl(int, ...)'),
  /** Variadic in the C library. */
  ptrace: declare<[number, 'int', number, 'ulong', number, 'ulong', number | bigint], number>(
    'long ptrace(int, ...)',
  ),
  ptraceGet: declare<[number, 'int', number, 'ulong', number, 'void *', Buffer], number>(
    'long ptrace(int, ...)',
  ),
  processVmReadv: declare<[number, Buffer, number, Buffer, number, number], number>(
    'long process_vm_readv(int, const void *, ulong, const void *, ulong, ulong)',
  ),
  read: declare<[number, Buffer, number], number>('long read(int, void *, ulong)'),
  readlinkat: declare<[number, string, Buffer, number], number>(
    'long readlinkat(int, const char *, void *, ulong)',
  ),
  send: declare<[number, Buffer, number, number], number>('long send(int, const void *, ulong, int)'),
  setgid: declare<[number], number>('int setgid(uint)'),
  setgroups: declare<[number, Ptr], number>('int setgroups(ulong, const void *)'),
  getgroups: declare<[number, Ptr], number>('int getgroups(int, void *)'),
  recv: declare<[number, Buffer, number, number], number>('long recv(int, void *, ulong, int)'),
  recvmsg: declare<[number, Buffer, number], number>('long recvmsg(int, void *, int)'),
  sendmsg: declare<[number, Buffer, number], number>('long sendmsg(int, const void *, int)'),
  seteuid: declare<[number], number>('int seteuid(uint)'),
  setrlimit: declare<[number, Buffer], number>('int setrlimit(int, const void *)'),
  setpriority: declare<[number, number, number], number>('int setpriority(int, int, int)'),
  setsid: declare<[], number>('int setsid(void)'),
  setsockopt: declare<[number, number, number, Buffer, number], number>(
    'int setsockopt(int, int, int, const void *, uint32_t)',
  ),
  setuid: declare<[number], number>('int setuid(uint)'),
  shutdown: declare<[number, number], number>('int shutdown(int, int)'),
  signal: declare<[number, bigint | null], unknown>('void *signal(int, void *)'),
  sigprocmask: declare<[number, Buffer, Ptr], number>('int sigprocmask(int, const void *, void *)'),
  socket: declare<[number, number, number], number>('int socket(int, int, int)'),
  statx: declare<[number, string, number, number, Buffer], number>(
    'int statx(int, const char *, int, uint, void *)',
  ),
  strerror: declare<[number], string>('const char *strerror(int)'),
  syscallNumbers: declare<[number, 'ulong', number, 'ulong', number, 'ulong', number], number>(
    'long syscall(long, ...)',
  ),
  syscall3: declare<[number, 'int', number, 'void *', Buffer, 'ulong', number], number>(
    'long syscall(long, ...)',
  ),
  syscallOpenat2: declare<[number, 'int', number, 'str', string, 'void *', Buffer, 'ulong', number], number>(
    'long syscall(long, ...)',
  ),
  unlinkat: declare<[number, string, number], number>('int unlinkat(int, const char *, int)'),
  usleep: declare<[number], number>('int usleep(uint)'),
  waitid: declare<[number, number, Buffer, number], number>('int waitid(int, uint, void *, int)'),
  waitpid: declare<[number, Buffer | null, number], number>('int waitpid(int, void *, int)'),
} as const;

/** errno of the call just made: read it in the very next statement, any fs call resets it. */
export function errno(): number {
  return native().koffi.errno();
}

/** What has no errno of its own leaves 0 behind then. */
export function clearErrno(): void {
  native().koffi.errno(0);
}

/** Numbers of <errno.h> (Linux, all architectures alike for these). */
export const E = {
  PERM: 1,
  NOENT: 2,
  SRCH: 3,
  INTR: 4,
  BADF: 9,
  AGAIN: 11,
  NOMEM: 12,
  ACCES: 13,
  FAULT: 14,
  EXIST: 17,
  NOTDIR: 20,
  ISDIR: 21,
  NOEXEC: 8,
  NFILE: 23,
  MFILE: 24,
  FBIG: 27,
  NOSPC: 28,
  PIPE: 32,
  NOSYS: 38,
  ROFS: 30,
  LOOP: 40,
  MSGSIZE: 90,
  OPNOTSUPP: 95,
  ADDRINUSE: 98,
  ADDRNOTAVAIL: 99,
  NETUNREACH: 101,
  CONNRESET: 104,
  NOBUFS: 105,
  CONNREFUSED: 111,
  INPROGRESS: 115,
  DQUOT: 122,
} as const;

/** A SyscallError for `number`, with the C library's text. */
function syscallError(name: string, number: number): SyscallError {
  return new SyscallError(name, number, libc.strerror(number));
}

/**
 * Runs a call that reports failure by -1 and throws a SyscallError then;
 * EINTR is retried, as every caller here would.
 */
export function check(name: string, call: () => number): number {
  for (;;) {
    const result = call();
    if (result !== -1) return result;
    const failure = errno();
    if (failure !== E.INTR) throw syscallError(name, failure);
  }
}

/** Like check, but for one expected set of failures returns minus errno instead of throwing. */
export function attempt(call: () => number): number {
  for (;;) {
    const result = call();
    if (result !== -1) return result;
    const failure = errno();
    if (failure !== E.INTR) return -failure;
  }
}
