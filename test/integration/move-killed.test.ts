// The move from 1.6, killed at its steps: either the old workers serve or the new ones, and the same start again completes
// it.
import { test } from 'vitest';
import { needCommands, needTracing } from '../helpers/machine/index.ts';
import { referencePath } from '../helpers/pool/index.ts';
import * as steps from '../helpers/steps/index.ts';

/** Those that lighttpd's command can begin: no chroot, no word of readiness. */
const settings = steps.settings.filter(({ name }) =>
  ['a Unix socket and', '-u nobody in', 'an ordinary'].some((beginning) => name.startsWith(beginning)),
);

/** Half of the kinds of steps in a run, the other half with another seed. */
const among = 2 * settings.length;

test.for(settings)(
  'with $name: when somebody is killed on the way, the next start completes it',
  { timeout: steps.killTimeout },
  async (setting, ctx) => {
    needTracing(ctx);
    needCommands(ctx, referencePath);
    await steps.killAtSteps(steps.moveOf(setting), among);
  },
);
