// /proc by a directory descriptor opened at start, so that it works after chroot
// and costs three calls a file. Reads facts about processes; signals nobody.
import { constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import { attempt, E, libc } from '../libc/libc.ts';
import { F_SETOWN } from '../libc/fcntl-numbers.ts';
import { O_CLOEXEC, O_PATH } from '../path/file-at.ts';
import { collectNames, collectNumbers } from './directory-entries.ts';
import { isRunning, parseStat, type ProcessStat } from './process-stat.ts';

const SYS_getdents64 = process.arch === 'arm64' ? 61 : 217;
/** Somebody ended meanwhile, or is not ours to look into: that is an answer. */
const answers: ReadonlySet<number> = new Set([E.NOENT, E.SRCH, E.ACCES, E.PERM, E.NOTDIR]);

export class ProcFs {
  readonly #root: number;
  readonly #buffer = Buffer.allocUnsafeSlow(65_536);
  /** Given up for a moment when there is no other descriptor left to look by. */
  #reserve: number;
  #failures = 0;

  private constructor(root: number) {
    this.#root = root;
    this.#reserve = this.#openReserve();
  }

  /** How often something could not be seen for want of a descriptor or memory. A look in which it grew is none. */
  get failures(): number {
    return this.#failures;
  }

  /** Opens /proc; undefined where it is not mounted, or is another PID namespace's and its numbers lie. */
  static open(): ProcFs | undefined {
    try {
      if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
      return new ProcFs(openSync('/proc', O_PATH | constants.O_DIRECTORY));
    } catch {
      return undefined;
    }
  }

  /** The inode of our PID namespace: PIDs of another one mean nothing here. */
  get pidNamespace(): string | undefined {
    return /^pid:\[(\d+)\]$/.exec(this.readLink('self/ns/pid') ?? '')?.[1];
  }

  /** A descriptor of /proc itself, for the *at() calls on /proc/self/fd. */
  get descriptor(): number {
    return this.#root;
  }

  /** The file's bytes (at most 64 KiB, valid until the next read); undefined when it cannot be read. */
  read(path: string): Buffer | undefined {
    const descriptor = this.#open(path);
    if (descriptor < 0) return undefined;
    let length = 0;
    for (;;) {
      const space = this.#buffer.subarray(length);
      const count = space.length === 0 ? 0 : attempt(() => libc.read(descriptor, space, space.length));
      if (count <= 0) break;
      length += count;
      // A short file is one read; only a nearly full page may have more.
      if (count < 1024) break;
    }
    this.#close(descriptor);
    return this.#buffer.subarray(0, length);
  }

  readText(path: string): string | undefined {
    return this.read(path)?.toString('latin1');
  }

  /** A file of any size; undefined when it cannot be read. */
  readWhole(path: string): string | undefined {
    const descriptor = this.#open(path);
    if (descriptor < 0) return undefined;
    try {
      return readFileSync(descriptor, 'latin1');
    } catch {
      // Its process has ended meanwhile (ESRCH).
      return undefined;
    } finally {
      this.#close(descriptor);
    }
  }

  /** A file of any size as lines, without its heading. */
  readTable(path: string): string[] {
    return (this.readWhole(path) ?? '').split('\n').slice(1);
  }

  /** The target of a link below /proc, for example `1234/fd/0`; undefined when it cannot be read. */
  readLink(path: string): string | undefined {
    const target = this.lookUpLink(path);
    return typeof target === 'number' ? undefined : target;
  }

  /** The target of a link, or minus errno, for who must tell "closed meanwhile" from "may not look". */
  lookUpLink(path: string): string | number {
    const length = attempt(() => libc.readlinkat(this.#root, path, this.#buffer, this.#buffer.length));
    return length < 0 ? length : this.#buffer.toString('utf8', 0, length);
  }

  /**
   * The protocol of a socket (`UNIX-STREAM`, `UNIX` before Linux 5.15, `TCP`) by the link of somebody's descriptor.
   * Undefined where it is none, or cannot be asked: there is no call that starts from a directory's descriptor, so that
   * it takes a /proc where we are.
   */
  socketProtocol(link: string): string | undefined {
    const call = (): number =>
      libc.getxattr(`/proc/${link}`, 'system.sockprotoname', this.#buffer, this.#buffer.length);
    const length = attempt(call);
    return length < 0 ? undefined : this.#buffer.toString('latin1', 0, length).replace(/\0.*$/, '');
  }

  /** Names in a directory below /proc, for example `1234/task`; empty when it cannot be read. */
  list(path: string): string[] {
    return this.names(path) ?? [];
  }

  /** The same, but undefined when it cannot be read. */
  names(path: string): string[] | undefined {
    const names: string[] = [];
    return this.#readDirectory(path, (entries) => collectNames(entries, names)) ? names : undefined;
  }

  /** Hands over its entries as getdents(2) gives them, some at a time; false when it cannot be read. */
  #readDirectory(path: string, take: (entries: Buffer) => void): boolean {
    const descriptor = this.#open(path, constants.O_DIRECTORY);
    if (descriptor < 0) return false;
    for (;;) {
      const count = attempt(() =>
        libc.syscall3(
          SYS_getdents64,
          'int',
          descriptor,
          'void *',
          this.#buffer,
          'ulong',
          this.#buffer.length,
        ),
      );
      if (count <= 0) break;
      take(this.#buffer.subarray(0, count));
    }
    this.#close(descriptor);
    return true;
  }

  /** Below /proc; minus errno when it cannot be opened. */
  #open(path: string, flags = 0): number {
    const open = (): number =>
      attempt(() => libc.openat(this.#root, path, constants.O_RDONLY | O_CLOEXEC | flags, 0));
    let descriptor = open();
    if ((descriptor === -E.MFILE || descriptor === -E.NFILE) && this.#reserve >= 0) {
      libc.close(this.#reserve);
      this.#reserve = -1;
      descriptor = open();
    }
    if (descriptor < 0 && !answers.has(-descriptor)) this.#failures++;
    return descriptor;
  }

  #close(descriptor: number): void {
    libc.close(descriptor);
    if (this.#reserve < 0) this.#reserve = this.#openReserve();
  }

  #openReserve(): number {
    return attempt(() =>
      libc.openat(this.#root, '.', constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC, 0),
    );
  }

  /**
   * Whether a process, a process group or a session has this number; one call that needs no descriptor of its own
   * (fcntl(2): F_SETOWN fails with ESRCH for a number that is nobody's). True where it cannot be known.
   */
  isNumberInUse(number: number): boolean {
    const result = attempt(() => libc.fcntl(this.#reserve, F_SETOWN, 'int', number));
    return result !== -E.SRCH;
  }

  stat(pid: number): ProcessStat | undefined {
    const text = this.readText(`${pid}/stat`);
    return text ? parseStat(pid, text) : undefined;
  }

  /** The same of one thread of the process. */
  threadStat(pid: number, task: string): ProcessStat | undefined {
    const text = this.readText(`${pid}/task/${task}/stat`);
    return text ? parseStat(pid, text) : undefined;
  }

  /** Whether the recorded process still lives: a PID alone proves nothing, the start time must be the same. */
  isAlive(record: { readonly pid: number; readonly startTime: string | undefined }): boolean {
    const stat = this.stat(record.pid);
    return stat !== undefined && stat.startTime === record.startTime && isRunning(stat);
  }

  /** Of every process; a thousand of them are listed without a thousand strings. */
  pids(): number[] {
    const pids: number[] = [];
    this.#readDirectory('.', (entries) => collectNumbers(entries, pids));
    return pids;
  }

  /** Every process, zombies excepted, whose session is one of `sessions`. */
  sessionMembers(sessions: ReadonlySet<number>): ProcessStat[] {
    if (sessions.size === 0) return [];
    return this.pids()
      .map((pid) => this.stat(pid))
      .filter((stat) => stat !== undefined)
      .filter((stat) => sessions.has(stat.session) && isRunning(stat));
  }

  /** The process and its descendants of the same session, by the children lists of its threads. */
  family(pid: number): number[] {
    const found = [pid];
    for (const parent of found)
      for (const child of this.childrenOf(parent)) if (this.stat(child)?.session === pid) found.push(child);
    return found;
  }

  /** Children of all threads of the process, zombies included. Empty where the kernel keeps no such lists. */
  childrenOf(pid: number): number[] {
    return this.list(`${pid}/task`).flatMap((task) => this.childrenOfThread(pid, task) ?? []);
  }

  /** Those that one thread has started, and those that became the process's, in the order in which it got them. */
  childrenOfThread(pid: number, task: string): number[] | undefined {
    const path = `${pid}/task/${task}/children`;
    const text = this.readText(path);
    const whole = text && text.length >= this.#buffer.length ? this.readWhole(path) : text;
    return whole?.split(' ').filter(Boolean).map(Number);
  }
}
