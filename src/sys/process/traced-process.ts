// A process with one thread that stops at the beginning and at the end of each of its system calls until we let it go on:
// ptrace(2), by PTRACE_SEIZE, which does nothing to it by itself. When we die the kernel lets it go.
import { attempt, libc } from '../libc/libc.ts';

const PTRACE_POKEUSER = 6;
const PTRACE_SYSCALL = 24;
const PTRACE_DETACH = 17;
const PTRACE_GETSIGINFO = 0x4202;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
/** Linux 5.3. */
const PTRACE_GET_SYSCALL_INFO = 0x420e;
const atEntry = 1;
/** AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64: a 32-bit program numbers its calls differently. */
const ownAbi = process.arch === 'arm64' ? 0xc000_00b7 : 0xc000_003e;
/** Its stops at system calls are told from those by a SIGTRAP of its own. */
const PTRACE_O_TRACESYSGOOD = 1;
const SIGTRAP = 5;
const atSystemCall = SIGTRAP | 0x80;
const PTRACE_EVENT_STOP = 128;

/**
 * `call`: before or behind a system call, or where it was interrupted. Else it has got a signal, which goes on with it; or
 * somebody has `halted` it, as SIGSTOP does, until SIGCONT.
 */
export type TracedStop =
  { readonly kind: 'call' | 'halted' } | { readonly kind: 'signal'; readonly signal: number };

/** Offsets in `struct user` of x86-64 (sys/user.h): the number of the system call, its result, its third argument. */
const x64 = { number: 15 * 8, result: 10 * 8, third: 12 * 8 };
const noCall = 0xffff_ffff_ffff_ffffn;

export interface TracedCall {
  readonly number: number;
  /** The first three arguments. */
  readonly values: readonly bigint[];
}

export class TracedProcess {
  readonly #pid: number;
  readonly #siginfo = Buffer.alloc(128);
  readonly #callInfo = Buffer.alloc(88);
  #altered: { readonly before: bigint; isCalled: boolean } | undefined;

  private constructor(pid: number) {
    this.#pid = pid;
  }

  /** Undefined where it may not be traced (Yama, seccomp, not dumpable), or is traced already. The PID is proven. */
  static seize(pid: number): TracedProcess | undefined {
    return ask(PTRACE_SEIZE, pid, PTRACE_O_TRACESYSGOOD) === 0 ? new TracedProcess(pid) : undefined;
  }

  /** It stops as soon as it can; a system call that it sleeps in is begun again, as after SIGSTOP and SIGCONT. */
  interrupt(): void {
    ask(PTRACE_INTERRUPT, this.#pid, 0);
  }

  /** Where it has stopped; undefined: it runs, or has ended. */
  stop(): TracedStop | undefined {
    const info = this.#siginfo;
    const result = attempt(() =>
      libc.ptraceGet(PTRACE_GETSIGINFO, 'int', this.#pid, 'ulong', 0, 'void *', info),
    );
    if (result !== 0) return undefined;
    const [signal, code] = [info.readInt32LE(0), info.readInt32LE(8)];
    if (code >> 8 === PTRACE_EVENT_STOP) return { kind: signal === SIGTRAP ? 'call' : 'halted' };
    return signal === SIGTRAP && code === atSystemCall ? { kind: 'call' } : { kind: 'signal', signal };
  }

  /** The system call that it is about to do, where it has stopped. */
  nextCall(): TracedCall | undefined {
    const info = this.#callInfo;
    const read = (): number =>
      libc.ptraceGet(PTRACE_GET_SYSCALL_INFO, 'int', this.#pid, 'ulong', info.length, 'void *', info);
    if (attempt(read) <= 0 || info[0] !== atEntry || info.readUInt32LE(4) !== ownAbi) return undefined;
    const [number, ...values] = [24, 32, 40, 48].map((at) => info.readBigUInt64LE(at));
    return { number: Number(number), values };
  }

  /** Whether the system call that it is about to do may be altered; nobody has tried that on other machines. */
  static readonly mayAlter = process.arch === 'x64';

  /** It will do nothing, and have that result: whatever becomes of us, since the kernel leaves the result of no call alone. */
  skipCall(result: number): boolean {
    const isSet = ask(PTRACE_POKEUSER, this.#pid, result, x64.result) === 0;
    return isSet && ask(PTRACE_POKEUSER, this.#pid, noCall, x64.number) === 0;
  }

  /** For this call: behind it the program finds its register as it was, which a compiler may count on. */
  setThirdArgument(value: number, before: bigint): boolean {
    if (ask(PTRACE_POKEUSER, this.#pid, value, x64.third) !== 0) return false;
    this.#altered = { before, isCalled: false };
    return true;
  }

  /** To the next stop, with the signal that it has got. False: it has ended. */
  goOn(signal = 0): boolean {
    this.#restore();
    return ask(PTRACE_SYSCALL, this.#pid, signal) === 0;
  }

  /** For good, where it has stopped. */
  letGo(signal = 0): boolean {
    this.#restore();
    return ask(PTRACE_DETACH, this.#pid, signal) === 0;
  }

  /** Its first stop after the altered call was let on is that behind it. */
  #restore(): void {
    const altered = this.#altered;
    if (altered?.isCalled === true) {
      ask(PTRACE_POKEUSER, this.#pid, altered.before, x64.third);
      this.#altered = undefined;
    } else if (altered) altered.isCalled = true;
  }
}

function ask(request: number, pid: number, data: number | bigint, address = 0): number {
  return attempt(() => libc.ptrace(request, 'int', pid, 'ulong', address, 'ulong', data));
}
