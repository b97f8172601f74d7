// Processes that an operation could not end, and why, in words for people.

/** `refused`: the kernel does not let us signal it; `stuck`: KILL was sent, and it is there all the same. */
export type WhyLeft = 'refused' | 'stuck';

export interface LeftProcess {
  readonly pid: number;
  readonly why: WhyLeft;
}

const reasons: Readonly<Record<WhyLeft, string>> = {
  refused: 'may not be signalled: Operation not permitted',
  stuck: 'does not end on KILL',
};

/** `PID 21 22 is left behind (may not be signalled: …)`; there must be some. */
export function describeLeft(left: readonly LeftProcess[]): string {
  const kinds = (['refused', 'stuck'] as const).filter((why) => left.some((process) => process.why === why));
  return kinds
    .map((why) => `${namePids(left.filter((process) => process.why === why))} (${reasons[why]})`)
    .join('; ');
}

/** Why an operation that would have to end these workers is not begun. */
export function describeUnendable(pids: readonly number[]): string {
  return `worker PID ${pids.join(' ')} ${reasons.refused}; nothing was changed: stop the pool, and end what is left as its user, or as root`;
}

function namePids(left: readonly LeftProcess[]): string {
  return `PID ${left.map(({ pid }) => pid).join(' ')} ${left.length === 1 ? 'is' : 'are'} left behind`;
}
