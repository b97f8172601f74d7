// config.json of a bundle (OCI runtime specification) with what Docker gives a container by default.
import { existsSync } from 'node:fs';

export interface ContainerSettings {
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** As `--user`; root without it. */
  user?: { uid: number; gid: number; additionalGids?: number[] };
  /** Instead of Docker's default ones, without CAP_. */
  capabilities?: readonly string[];
  /** As `--read-only`. */
  isReadOnly?: boolean;
  /** As `--tmpfs`: directories with a file system of their own that everybody may write. */
  tmpfs?: readonly string[];
  /** As `-v`: directories or files of this machine by their path in the container, to be written to. */
  volumes?: Readonly<Record<string, string>>;
  /** As `-v SOURCE:PATH:ro`. */
  files?: Readonly<Record<string, string>>;
  /** As `--memory`, swap included. */
  memoryMiB?: number;
  /** Whose network it shares, as containers of a pod do; with one of its own without it. */
  networkOf?: number;
  /** Some hosts mount none in theirs. */
  isWithoutProc?: boolean;
}

export const defaultCapabilities = (
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD ' +
  'NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'
).split(' ');

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const readOnlyOptions = ['nosuid', 'noexec', 'nodev', 'ro'];
/** And of cgroups, where all are of version 2, as Docker does. */
const namespaces = ['pid', 'ipc', 'uts', 'mount'];
if (existsSync('/sys/fs/cgroup/cgroup.controllers')) namespaces.push('cgroup');
const EPERM = 1;
const ENOSYS = 38;
const CLONE_NEW = 0x7e020000;

/** What Docker refuses to who lacks the capabilities for it, of the calls that anybody here might make. */
const refused = (
  'bpf get_mempolicy io_uring_enter io_uring_register io_uring_setup kcmp keyctl mbind mount perf_event_open ' +
  'pidfd_getfd pivot_root process_madvise set_mempolicy setns umount2 unshare userfaultfd'
).split(' ');
const seccomp = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: ['SCMP_ARCH_X86_64'],
  syscalls: [
    refusal(ENOSYS, ['clone3']),
    refusal(EPERM, refused),
    {
      ...refusal(EPERM, ['clone']),
      args: [{ index: 0, value: CLONE_NEW, valueTwo: CLONE_NEW, op: 'SCMP_CMP_MASKED_EQ' }],
    },
  ],
};

function refusal(errnoRet: number, names: readonly string[]) {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet };
}

const maskedPaths =
  '/proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/scsi /sys/firmware'.split(
    ' ',
  );
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** `mounts` are those of the root file system, which come first. */
export function describeContainer(
  settings: ContainerSettings,
  root: { path: string; mounts: readonly object[] },
  cgroupsPath: string,
): object {
  const {
    user = { uid: 0, gid: 0 },
    isReadOnly = false,
    isWithoutProc = false,
    memoryMiB,
    networkOf,
  } = settings;
  const names = (settings.capabilities ?? defaultCapabilities).map((name) => `CAP_${name}`);
  // As Docker does: a user other than root has the bounding set alone.
  const held = user.uid === 0 ? names : [];
  const memory = memoryMiB === undefined ? undefined : { limit: memoryMiB << 20, swap: memoryMiB << 20 };
  return {
    ociVersion: '1.0.0',
    process: {
      args: settings.args,
      cwd: settings.cwd ?? '/',
      user,
      env: Object.entries({ PATH: searchPath, ...settings.env }).map(([name, value]) => `${name}=${value}`),
      capabilities: { bounding: names, effective: held, permitted: held, inheritable: [], ambient: [] },
    },
    root: { path: root.path, readonly: isReadOnly },
    hostname: 'container',
    mounts: [
      ...(isWithoutProc ? [] : [{ destination: '/proc', type: 'proc', source: 'proc' }]),
      tmpfs('/dev', ['nosuid', 'strictatime', 'mode=755']),
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: readOnlyOptions },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: readOnlyOptions },
      ...root.mounts,
      ...(settings.tmpfs ?? []).map((path) => tmpfs(path, ['nosuid', 'nodev', 'mode=1777'])),
      ...Object.entries(settings.volumes ?? {}).map(([path, source]) => bind(path, source, 'rw')),
      ...Object.entries(settings.files ?? {}).map(([path, source]) => bind(path, source, 'ro')),
    ],
    linux: {
      cgroupsPath,
      namespaces: [
        ...namespaces.map((type) => ({ type })),
        { type: 'network', ...(networkOf === undefined ? {} : { path: `/proc/${networkOf}/ns/net` }) },
      ],
      seccomp,
      ...(memory ? { resources: { memory } } : {}),
      ...(isWithoutProc ? {} : { maskedPaths, readonlyPaths }),
    },
  };
}

export function bind(destination: string, source: string, access: 'ro' | 'rw'): object {
  return { destination, source, type: 'none', options: ['rbind', access] };
}

function tmpfs(destination: string, options: readonly string[]): object {
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}
