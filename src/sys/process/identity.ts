// Users and groups by name or number, as 1.6's find_user_group does it, with
// its messages; and the drop of privileges to them, verified.
import { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, E, libc } from '../libc/libc.ts';
import { decodeNamed } from '../libc/memory.ts';

const CAP_SYS_PTRACE = 19;

/** A uid or gid of 0 means "not asked for", as in 1.6: root is never a target. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** The passwd entry's name, for initgroups(3); undefined without an entry. */
  readonly userName: string | undefined;
}

interface Entry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Resolves -u/-g (or -U/-G); throws 1.6's refusal when there is no such user or it is root. */
export function resolveIdentity(user: string | undefined, group: string | undefined): Identity {
  const entry = user === undefined ? undefined : findUser(user);
  const uid = entry?.uid ?? 0;
  if (group !== undefined) return { uid, gid: findGroup(group), userName: entry?.name || undefined };
  if (entry?.name && entry.gid === 0) throw new SpawnFcgiError('I will not set gid to 0');
  return { uid, gid: entry?.gid ?? 0, userName: entry?.name || undefined };
}

/** Refuses `-u NUMBER` without a passwd entry and without -g: 1.6 kept root's group and groups. */
export function requireGroup(identity: Identity): void {
  if (identity.uid === 0 || identity.gid !== 0) return;
  throw new SpawnFcgiError(`couldn't find the user for uid ${identity.uid} and no group was specified`, {
    hints: [`name the group: -u ${identity.uid} -g ${identity.uid}`],
  });
}

function findUser(user: string): Entry {
  const number = positiveNumber(user);
  if (number !== undefined) {
    const found = libc.getpwuid(number);
    return found ? { ...decodeNamed(found, 'passwd'), uid: number } : { name: '', uid: number, gid: 0 };
  }
  const found = libc.getpwnam(user);
  if (!found) throw new SpawnFcgiError(`can't find user name ${user}`);
  const entry = decodeNamed(found, 'passwd');
  if (entry.uid === 0) throw new SpawnFcgiError('I will not set uid to 0');
  // 1.6 hands initgroups the name as typed, not the entry's.
  return { ...entry, name: user };
}

/** Throws 1.6's refusal when there is no such group or it is root's. */
export function findGroup(group: string): number {
  const number = positiveNumber(group);
  if (number !== undefined) return number;
  const found = libc.getgrnam(group);
  if (!found) throw new SpawnFcgiError(`can't find group name ${group}`);
  const { gid } = decodeNamed(found, 'group');
  if (gid === 0) throw new SpawnFcgiError('I will not set gid to 0');
  return gid;
}

/** A positive ID in decimal; 4294967295 is the kernel's "leave it", never an ID. */
function positiveNumber(text: string): number | undefined {
  if (!/^\s*\+?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value > 0 && value < 0xffffffff ? value : undefined;
}

/** Sets gid and supplementary groups; before chroot, while the group database is there. */
export function setGroups(identity: Identity): void {
  const { gid, userName } = identity;
  if (gid === 0) return;
  drop(`setgid(${gid})`, () => libc.setgid(gid));
  drop('setgroups(0, NULL)', () => libc.setgroups(0, null));
  if (userName !== undefined) drop(`initgroups('${userName}', ${gid})`, () => libc.initgroups(userName, gid));
}

/** Gives up root for good and proves it; does nothing without a uid to become. */
export function setUser(identity: Identity): void {
  const { uid } = identity;
  if (uid === 0) return;
  drop(`setuid(${uid})`, () => libc.setuid(uid));
  const problem = findPrivilege(identity);
  if (problem) throw new SpawnFcgiError(`privileges were not dropped: ${problem}`);
}

function drop(call: string, run: () => number): void {
  const result = attempt(run);
  if (result >= 0) return;
  // Root without them is usual in containers.
  const hint =
    'to become another user takes the capabilities CAP_SETUID and CAP_SETGID (docker run --cap-add SETUID --cap-add SETGID); or leave out -u, -g and -c, and start as that user (docker run --user)';
  throw new SpawnFcgiError(`${call} failed: ${libc.strerror(-result)}`, {
    hints: result === -E.PERM ? [hint] : [],
  });
}

function findPrivilege(identity: Identity): string | undefined {
  const { uid, gid, userName } = identity;
  if (readIds(libc.getresuid).some((id) => id !== uid)) return `not every uid is ${uid}`;
  if (gid !== 0 && readIds(libc.getresgid).some((id) => id !== gid)) return `not every gid is ${gid}`;
  // With a passwd entry the groups are what the group database gives that user.
  if (userName === undefined && readGroups().includes(0))
    return 'group 0 is still among the supplementary groups';
  if (hasCapabilities()) return 'capabilities are left';
  if (attempt(() => libc.setuid(0)) !== -E.PERM) return 'uid 0 can be set again';
  return undefined;
}

/** Ambient ones are a part of permitted. */
function hasCapabilities(): boolean {
  const sets = readCapabilities();
  return !sets || [0, 4, 12, 16].some((offset) => sets.readUInt32LE(offset) !== 0);
}

/** To look into processes of other users takes CAP_SYS_PTRACE, which root lacks in most containers. */
export function maySeeAllProcesses(): boolean {
  const sets = readCapabilities();
  return !sets || ((sets.readUInt32LE(0) >>> CAP_SYS_PTRACE) & 1) === 1;
}

/** capget(2), version 3: effective, permitted and inheritable sets, in two halves. */
function readCapabilities(): Buffer | undefined {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x20080522);
  const sets = Buffer.alloc(24);
  return attempt(() => libc.capget(header, sets)) < 0 ? undefined : sets;
}

function readIds(call: (real: Buffer, effective: Buffer, saved: Buffer) => number): number[] {
  const ids = [Buffer.alloc(4), Buffer.alloc(4), Buffer.alloc(4)] as const;
  call(...ids);
  return ids.map((id) => id.readUInt32LE());
}

function readGroups(): number[] {
  const count = Math.max(0, libc.getgroups(0, null));
  const buffer = Buffer.alloc(4 * count);
  const filled = Math.max(0, libc.getgroups(count, buffer));
  return Array.from({ length: filled }, (_unused, index) => buffer.readUInt32LE(index * 4));
}

/** Runs `look` with the effective uid of the user to become, then takes root back. */
export function asUser<T>(identity: Identity, look: () => T): T {
  if (identity.uid === 0) return look();
  drop(`seteuid(${identity.uid})`, () => libc.seteuid(identity.uid));
  try {
    return look();
  } finally {
    drop('seteuid(0)', () => libc.seteuid(0));
  }
}
