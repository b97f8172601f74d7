// Starts a process as posix_spawn(3) does, with the calls between clone(2) and execve(2) chosen here: there is no other
// way to have a process lower its limits before it executes its program. A fork of Node is none (V8 excludes its memory
// from children), nor is a shell: it would change the environment, the first argument and what exec's failure is called.
//
// clone(CLONE_VM | CLONE_VFORK) gives a child that runs in our memory on a stack of its own, while this thread waits
// until it executes or ends. No JavaScript can run there, so what it does is written down before: a list of calls of C
// library functions, each a context of makecontext(3), linked to the next. The first thing that the child does is to
// enter the first of them.
import { SpawnFcgiError } from '../../core/errors.ts';
import { attempt, clearErrno, errno, libc } from '../libc/libc.ts';
import { addressOf } from '../libc/memory.ts';

/** A Buffer stands for its address. */
type Word = number | bigint | Buffer;

/** A function of the C library with at most five whole numbers or pointers; its result is not looked at. */
export type LibcCall = readonly [name: string, ...words: Word[]];

export type ChildResult = { readonly pid: number } | { readonly errno: number };

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const SIGCHLD = 17;
const SIG_SETMASK = 2;
const mostWords = 5;
const failedStatus = 127;

/** glibc's ucontext_t has 968 bytes on x64 and 4560 on arm64; its first members are the same everywhere. */
const contextBytes = process.arch === 'x64' ? 1024 : 5120;
const linkOffset = 8;
const stackOffset = 16;
const stackSizeOffset = 32;
/** Wrappers of system calls, the deepest of which is signal(3) with half a kilobyte. */
const stackBytes = 2048;
const slotBytes = contextBytes + stackBytes;
const alignment = 16;

/** Signals, the calls of a process, and the stack on which it starts. */
const slots = 64 + 40;

const allSignals = Buffer.alloc(128, 0xff);
const noSignals = Buffer.alloc(128);

/** KILL and STOP have no other; 32 and 33 belong to the C library. */
const resetSignals = Array.from({ length: 64 }, (_unused, index) => index + 1).filter(
  (signal) => ![9, 19, 32, 33].includes(signal),
);

/** Whether this machine's C library has what it takes; musl has no makecontext. */
export function canCallInChild(): boolean {
  return libc.dlsym(null, 'makecontext') !== 0 && libc.dlsym(null, 'setcontext') !== 0;
}

/**
 * Starts a process that has every signal at its default, makes these calls, and then the last one with no signal
 * blocked: execve. Where that returns the process ends, and the result is its errno. A call that fails keeps those
 * behind it from nothing.
 */
export function startAfterCalls(calls: readonly LibcCall[], last: LibcCall): ChildResult {
  return withSignalsBlocked(() => {
    const failed = Buffer.alloc(8);
    chain ??= new Chain();
    chain.begin();
    calls.forEach((call) => chain?.add(call));
    // The mask is a part of the context.
    libc.sigprocmask(SIG_SETMASK, noSignals, null);
    chain.add(last);
    libc.sigprocmask(SIG_SETMASK, allSignals, null);
    chain.add(['memset', failed, 1, 1]);
    chain.add(['_exit', failedStatus], true);
    const { pid, errno: failure } = chain.run();
    if (pid < 0) return { errno: failure };
    if (failed[0] === 0) return { pid };
    attempt(() => libc.waitpid(pid, null, 0));
    // The child had our errno, too.
    return { errno: failure };
  });
}

/** The errno of a call, made in a child that ends then; 0 if it succeeded. */
export function errnoInChild(call: LibcCall): number {
  const result = startAfterCalls([], call);
  return 'errno' in result ? result.errno : 0;
}

function withSignalsBlocked<T>(run: () => T): T {
  const before = Buffer.alloc(128);
  libc.sigprocmask(SIG_SETMASK, allSignals, before);
  try {
    return run();
  } finally {
    libc.sigprocmask(SIG_SETMASK, before, null);
  }
}

let chain: Chain | undefined;

/** Contexts with a stack each, in one piece of memory. */
class Chain {
  readonly #memory = Buffer.alloc(slots * slotBytes + alignment);
  readonly #start = alignment - Number(addressOf(this.#memory) % BigInt(alignment));
  readonly #address = addressOf(this.#memory) + BigInt(this.#start);
  /** Of its own what every process begins with: none of our handlers may run in it, and tell us of a signal twice. */
  readonly #resets: Buffer;
  /** Keeps what the calls point to. */
  #calls: LibcCall[] = [];

  constructor() {
    resetSignals.forEach((signal) => this.add(['signal', signal, 0]));
    this.#resets = Buffer.from(this.#memory);
  }

  /** The last child has written into it. */
  begin(): void {
    this.#resets.copy(this.#memory);
    this.#calls.length = resetSignals.length;
  }

  add(call: LibcCall, isLast = false): void {
    const [name, ...words] = call;
    const index = this.#calls.push(call) - 1;
    if (index + 1 >= slots || words.length > mostWords) throw new Error(`no room for ${name}`);
    const context = this.#contextAt(index);
    libc.getcontext(context);
    const address = this.#address + BigInt(index * slotBytes);
    context.writeBigUInt64LE(isLast ? 0n : address + BigInt(slotBytes), linkOffset);
    context.writeBigUInt64LE(address + BigInt(contextBytes), stackOffset);
    context.writeBigUInt64LE(BigInt(stackBytes), stackSizeOffset);
    const values = words.map((word) => (Buffer.isBuffer(word) ? addressOf(word) : BigInt(word)));
    const [one = 0n, two = 0n, three = 0n, four = 0n, five = 0n] = values;
    libc.makecontext(context, addressOfFunction(name), values.length, one, two, three, four, five);
  }

  /** The child's PID or -1, and the errno that the child has left, or the failure to have one. */
  run(): { readonly pid: number; readonly errno: number } {
    const stackTop = this.#address + BigInt(slots * slotBytes - alignment);
    const setcontext = addressOfFunction('setcontext');
    clearErrno();
    const pid = libc.clone(setcontext, stackTop, CLONE_VM | CLONE_VFORK | SIGCHLD, this.#contextAt(0));
    return { pid, errno: errno() };
  }

  #contextAt(index: number): Buffer {
    const start = this.#start + index * slotBytes;
    return this.#memory.subarray(start, start + contextBytes);
  }
}

const functions = new Map<string, bigint>();

function addressOfFunction(name: string): bigint {
  let address = functions.get(name);
  if (address === undefined) {
    address = BigInt(libc.dlsym(null, name));
    if (address === 0n) throw new SpawnFcgiError(`the C library has no ${name}`);
    functions.set(name, address);
  }
  return address;
}
