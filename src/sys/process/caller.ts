// What the caller gave us, read where neither the shell front nor Node has
// changed it: environment, soft RLIMIT_NOFILE, open descriptors.
// How it reaches us: docs/internals/architecture.md, "The front".
import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { getFileLimit, parseLimit, type Limit } from './resource-limit.ts';

export interface Caller {
  /** `NAME=value` as bytes, exactly as the caller passed them. */
  readonly environment: readonly Buffer[];
  readonly fileLimit: Limit;
  /** The bytes of some of our arguments, in their order: Node replaces what is not UTF-8. */
  readonly encodeAll: (some: readonly string[]) => Buffer[];
  /** The bytes of one option's value, attached or an argument of its own. */
  readonly encodeValue: (value: string) => Buffer;
  /** A signal that the shell got before Node was there, or empty; undefined where it does not listen for them. */
  readonly interruptedBy: string | undefined;
  /** A child that was there in case that Node is ended before it listens, and has been killed by now. */
  readonly standIn: number | undefined;
  /** The shell that waits for our status on descriptor 4; undefined when we are the command itself. */
  readonly front: number | undefined;
}

/** Variables of the front's own; they never reach a worker. */
const ownVariable =
  /^SPAWN_FCGI_(?:FRONT|GIVEN|INTERRUPTED|LINES|ENVIRON_\d+|NOFILE|MODE|NODE_OPTIONS|STAND_IN|WATCHED)=/;

export function readCaller(): Caller {
  const front = readFront();
  // In a PID namespace with the /proc of another one, numbers name other processes.
  const known = linkOf('/proc/self') === String(process.pid) ? front : undefined;
  const limit = getFileLimit();
  return {
    environment: readEnvironment(known).filter((entry) => !ownVariable.test(entry.toString('latin1'))),
    fileLimit: { ...limit, soft: readSoftLimit(known) ?? limit.soft },
    interruptedBy: process.env['SPAWN_FCGI_INTERRUPTED'],
    standIn: Number(process.env['SPAWN_FCGI_STAND_IN']) || undefined,
    front,
    ...argumentEncoders(),
  };
}

export function readFront(): number | undefined {
  return Number(process.env['SPAWN_FCGI_FRONT']) || undefined;
}

function readEnvironment(front: number | undefined): Buffer[] {
  const raw = front === undefined ? decodeEnvironment() : readIfThere(`/proc/${front}/environ`);
  return raw ? splitAtNul(raw) : environmentOfNode();
}

const replacement = '\ufffd';

function argumentEncoders(): Pick<Caller, 'encodeAll' | 'encodeValue'> {
  const isPlain = !process.argv.some((argument) => argument.includes(replacement));
  // Read now: the supervisor writes its name over the original.
  const raw = isPlain ? [] : splitAtNul(readIfThere('/proc/self/cmdline') ?? Buffer.alloc(0));
  return {
    encodeAll(some) {
      let next = 0;
      return some.map((argument) => {
        const found = raw.findIndex((bytes, index) => index >= next && bytes.toString() === argument);
        if (found < 0) return Buffer.from(argument);
        next = found + 1;
        return raw[found] ?? Buffer.from(argument);
      });
    },
    encodeValue(value) {
      const found = value.includes(replacement)
        ? raw.find((bytes) => bytes.toString().endsWith(value))
        : undefined;
      if (!found) return Buffer.from(value);
      const option = found.toString().slice(0, -value.length);
      return found.subarray(Buffer.byteLength(option));
    },
  };
}

/** Lines of base64 of the shell's own /proc/PID/environ, which may be empty; undefined: it has no /proc. */
function decodeEnvironment(): Buffer | undefined {
  const lines = process.env['SPAWN_FCGI_LINES'];
  if (lines === undefined) return undefined;
  const encoded = Array.from(
    { length: Number(lines) },
    (_unused, line) => process.env[`SPAWN_FCGI_ENVIRON_${line}`] ?? '',
  );
  return Buffer.from(encoded.join(''), 'base64');
}

/** Without /proc: what the shell passed on; it kept only NODE_OPTIONS aside. */
function environmentOfNode(): Buffer[] {
  const kept = process.env['SPAWN_FCGI_NODE_OPTIONS'];
  const entries = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  return [...entries, ...(kept === undefined ? [] : [`NODE_OPTIONS=${kept}`])].map((entry) =>
    Buffer.from(entry),
  );
}

/** The strings of an argument list or environment as /proc shows it. */
export function splitAtNul(raw: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let start = 0; start < raw.length;) {
    const nul = raw.indexOf(0, start);
    const end = nul < 0 ? raw.length : nul;
    entries.push(raw.subarray(start, end));
    start = end + 1;
  }
  return entries;
}

function readSoftLimit(front: number | undefined): bigint | undefined {
  if (front === undefined) return parseLimit(process.env['SPAWN_FCGI_NOFILE']);
  const limits = readIfThere(`/proc/${front}/limits`)?.toString('latin1') ?? '';
  return parseLimit(/^Max open files\s+(\S+)/m.exec(limits)?.[1]);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** The front has two of its own below, for the caller's output and for our status. */
export const firstInherited = 5;

/**
 * Closes what the caller left open above the front's own descriptors, but `kept`: a lock or
 * a pipe of the caller must not live as long as the pool.
 */
export function closeInherited(front: number, kept: readonly number[]): void {
  for (const descriptor of descriptorsOf(front)) {
    const isOurs = descriptor < firstInherited || kept.includes(descriptor);
    if (!isOurs && isCallers(descriptor, front)) closeSync(descriptor);
  }
}

/** A descriptor is the caller's if the front has the same file under the same number. */
export function isCallers(descriptor: number, front: number): boolean {
  const target = linkOf(`/proc/${front}/fd/${descriptor}`);
  return target !== undefined && target === linkOf(`/proc/self/fd/${descriptor}`);
}

export function descriptorsOf(pid: number | 'self'): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map(Number);
  } catch {
    return [];
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The value of a variable in the caller's environment; undefined when it is not set. */
export function readVariable(environment: readonly Buffer[], name: string): string | undefined {
  const prefix = Buffer.from(`${name}=`);
  const entry = environment.find((candidate) => candidate.subarray(0, prefix.length).equals(prefix));
  return entry?.toString('utf8', prefix.length);
}
