// Whether a process that is stopped will end as soon as it goes on, by what /proc says of it.
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { hasEndingSignal } from '../../src/sys/process/pending-signals.ts';

const { SIGCHLD, SIGCONT, SIGHUP, SIGKILL, SIGTERM, SIGUSR1, SIGWINCH } = constants.signals;

function setOf(signals: readonly number[]): string {
  const mask = signals.reduce((all, signal) => all | (1n << BigInt(signal - 1)), 0n);
  return mask.toString(16).padStart(16, '0');
}

interface Signals {
  readonly own?: readonly number[];
  readonly shared?: readonly number[];
  readonly ignored?: readonly number[];
  readonly caught?: readonly number[];
  readonly state?: string;
}

function statusOf({
  own = [],
  shared = [],
  ignored = [],
  caught = [],
  state = 'T (stopped)',
}: Signals): string {
  const sets = { SigPnd: own, ShdPnd: shared, SigBlk: [], SigIgn: ignored, SigCgt: caught };
  const lines = Object.entries(sets).map(([name, signals]) => `${name}:\t${setOf(signals)}`);
  return ['Name:\tapp', `State:\t${state}`, ...lines, ''].join('\n');
}

test.each([
  ['nothing', {}, false],
  ['its child’s end, and what does nothing', { shared: [SIGCHLD, SIGCONT, SIGWINCH] }, false],
  ['TERM', { shared: [SIGTERM] }, true],
  ['TERM to its first thread', { own: [SIGTERM] }, true],
  ['TERM that it catches', { shared: [SIGTERM], caught: [SIGTERM] }, true],
  ['TERM that it ignores', { shared: [SIGTERM], ignored: [SIGTERM] }, false],
  ['HUP', { shared: [SIGHUP] }, true],
  ['HUP that it catches', { shared: [SIGHUP], caught: [SIGHUP] }, false],
  ['USR1 beside one that it catches', { shared: [SIGUSR1, SIGHUP], caught: [SIGHUP] }, true],
  ['a real-time signal', { shared: [40] }, true],
  ['KILL', { shared: [SIGKILL] }, true],
  ['nothing more: it is a zombie', { state: 'Z (zombie)' }, true],
] as const)('with %s pending', (_what, signals, isEnding) => {
  expect(hasEndingSignal(statusOf(signals))).toBe(isEnding);
});
