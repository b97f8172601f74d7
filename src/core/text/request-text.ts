// Requests that are slow or stuck, in words.
import type { ProcessCall } from '../process-call.ts';
import { describeMs, plural } from './amount-text.ts';
import type { EventOf } from './pool-event.ts';

/** What one line has room for. */
const mostPlaces = 4;
const mostFrames = 6;

export function describeSlow({ slot, workerPid, ageMs, doing }: EventOf<'request-slow'>): string {
  const age = `at least ${describeMs(ageMs)} old, half of --request-timeout is over`;
  return `worker ${slot} (PID ${workerPid}): a request is ${age}; ${describeDoing(doing, true)}`;
}

export function describeStuck(event: EventOf<'request-stuck'>): string {
  const { slot, workerPid, ageMs, doing } = event;
  const age = `at least ${describeMs(ageMs)} old`;
  return `worker ${slot} (PID ${workerPid}): a request is stuck, ${age}: ${describeOutcome(event)}; ${describeDoing(doing)}`;
}

function describeOutcome({ outcome, pids, signal, signalled = [] }: EventOf<'request-stuck'>): string {
  const all = `PID ${pids.join(' ')}`;
  if (outcome === 'spared') return 'left alone while it is stopped';
  if (outcome === 'killed') return `ending ${all}`;
  if (signalled.length === 0) return `nobody catches ${signal}, ending ${all}`;
  return `${signal} to PID ${signalled.join(' ')}, then ending ${all}`;
}

/** Where processes are, for who knows the kernel. */
function describeDoing(doing: readonly ProcessCall[], hasStacks = false): string {
  if (doing.length === 0) return 'nobody may see where';
  const places = doing.slice(0, mostPlaces).map((call) => describeCall(call, hasStacks));
  const others = doing.slice(mostPlaces).reduce((sum, { threads }) => sum + threads, 0);
  return [...places, ...(others > 0 ? [`and ${plural(others, 'other thread')}`] : [])].join(', ');
}

function describeCall(
  { pid, name, state, call, wchan, stack = [], threads }: ProcessCall,
  hasStack: boolean,
): string {
  const where = call === undefined ? (stateNames[state] ?? `in state ${state}`) : `in ${call}`;
  const asleep = wchan === undefined ? '' : ` at ${wchan}`;
  const count = threads > 1 ? `, ${threads} threads` : '';
  return `PID ${pid} (${name}) ${where}${asleep}${count}${hasStack ? pathOf(stack) : ''}`;
}

/** Where every sleep begins, and what compilers append, says nothing; who runs has no path. */
function pathOf(stack: readonly string[]): string {
  const frames = stack
    .map((frame) => frame.replace(/\.(?:constprop|isra|part)\.\d+$/, ''))
    .filter(
      (frame) => !/^(?:do_syscall_64|entry_SYSCALL|__x64_sys_|el0|invoke_syscall|irqentry|asm_)/.test(frame),
    );
  return frames.length === 0 ? '' : ` (kernel: ${frames.slice(0, mostFrames).join(' < ')})`;
}

const stateNames: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'asleep',
  D: 'in uninterruptible sleep',
  T: 'stopped',
  t: 'stopped by a debugger',
};
