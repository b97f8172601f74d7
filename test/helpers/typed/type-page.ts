// Types a page's blocks in one shell of its machine, and compares what they print with what the page shows.
import { expect } from 'vitest';
import type { Fence } from '../pages/markdown.ts';
import { startTyped } from './machine.ts';
import { partsOf, scriptOf, stepsOf } from './script.ts';
import { differenceInShape } from './shape.ts';
import type { Stage } from './stages.ts';

/** Longer than a page takes on a busy machine. */
const MOST_MS = 60_000;

/** Of the machine, not of the page: empty lines between steps, and that no syslogd runs. */
const ours = /^$|\/dev\/log is missing/;

/** Types all of it in one shell; throws what failed first, and what was printed otherwise than the page shows it. */
export async function typePage(fences: readonly Fence[], stage: Stage = {}): Promise<void> {
  const machine = await startTyped(stage);
  const steps = stepsOf(fences, stage.before ?? {});
  const script = `export HOME=/root; cd /srv/app\n${stage.first ?? ''}\n${scriptOf(steps)}${stage.last ?? ''}\n`;
  const { status, stdout, stderr } = await machine.run(script, MOST_MS);
  const [printed, errors] = [partsOf(stdout), partsOf(stderr)];
  const reached = [...printed.keys()].at(-1) ?? 'the beginning';
  const step = steps[Number(reached)];
  const words = (printed.get(reached) ?? []).concat(errors.get(reached) ?? [stderr]);
  expect(status, `${step?.at ?? reached}:\n${step?.script ?? ''}\n${words.join('\n')}`).toBe(0);
  for (const [number, { at, shown }] of steps.entries()) {
    if (shown.length === 0) continue;
    const seen = (printed.get(String(number)) ?? []).concat(errors.get(String(number)) ?? []);
    expect(
      differenceInShape(
        shown,
        seen.filter((line) => !ours.test(line)),
      ),
      at,
    ).toBeUndefined();
  }
}
