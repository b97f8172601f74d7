// Where the threads of a process are in the kernel (proc(5): syscall, wchan, stack), for people who look for the reason why
// it does not go on.
import type { ProcessCall } from '../../core/process-call.ts';
import { callName } from './call-names.ts';
import type { ProcFs } from './proc-fs.ts';

/** Of a process with hundreds of threads as many say what there is to say. */
const mostThreads = 64;
const mostFrames = 16;

/** Threads in one place count as one; the first one is the main thread's. Empty: it has gone. */
export function callsOf(proc: ProcFs, pid: number): ProcessCall[] {
  const found = new Map<string, ProcessCall>();
  const tasks = proc.list(`${pid}/task`).slice(0, mostThreads);
  for (const task of tasks) {
    const call = callOfThread(proc, pid, task);
    if (!call) continue;
    const { name, state, call: number = '', wchan = '' } = call;
    const place = [name, state, number, wchan].join(' ');
    const threads = (found.get(place)?.threads ?? 0) + 1;
    found.set(place, { ...(found.get(place) ?? call), threads });
  }
  return [...found.values()];
}

function callOfThread(proc: ProcFs, pid: number, task: string): ProcessCall | undefined {
  const stat = proc.threadStat(pid, task);
  if (!stat) return undefined;
  const base = `${pid}/task/${task}`;
  const call = callIn(proc.readText(`${base}/syscall`));
  const wchan = proc.readText(`${base}/wchan`);
  const stack = framesOf(proc.readText(`${base}/stack`));
  return {
    pid,
    name: stat.comm,
    state: stat.state,
    ...(call === undefined ? {} : { call }),
    ...(wchan && wchan !== '0' ? { wchan } : {}),
    ...(stack.length === 0 ? {} : { stack }),
    threads: 1,
  };
}

/** `NUMBER ARGUMENTS… SP PC`, `running`, or `-1 SP PC` for one that waits outside of a call. */
function callIn(text: string | undefined): string | undefined {
  const fields = text?.split(' ') ?? [];
  if (fields.length < 9) return undefined;
  // Another ABI numbers its calls differently: a 32-bit program, by its stack.
  if (BigInt(fields[7] ?? 0) < 1n << 32n) return `system call ${fields[0]} of a 32-bit program`;
  return callName(Number(fields[0]));
}

/** Lines `[<0>] function+0x1/0x2`. */
function framesOf(text = ''): string[] {
  const frames = [...text.matchAll(/^\[<[^>]*>\] ([^\s+]+)/gm)].map(([, name = '']) => name);
  return frames.slice(0, mostFrames);
}
