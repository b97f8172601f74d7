// The same command line through Debian's spawn-fcgi 1.6 and through ours: what the user sees, what the worker gets.
import { expect, it } from 'vitest';
import { isRoot } from '../helpers/machine/requirements.ts';
import { describeSituations, referenceOutput } from './compare.ts';
import { provokable } from './message.ts';
import { addressSituations } from './address.situations.ts';
import { chrootSituations } from './chroot.situations.ts';
import { commandLineSituations } from './command-line.situations.ts';
import { environmentSituations } from './environment.situations.ts';
import { foregroundSituations } from './foreground.situations.ts';
import { identitySituations } from './identity.situations.ts';
import { longNameSituations } from './long-name.situations.ts';
import { noSuperviseSituations } from './no-supervise.situations.ts';
import { pidFileSituations } from './pid-file.situations.ts';
import { processSituations } from './process.situations.ts';
import { programSituations } from './program.situations.ts';
import { socketFileSituations } from './socket-file.situations.ts';

describeSituations('command line', commandLineSituations);
describeSituations('long names of options', longNameSituations);
describeSituations('TCP addresses', addressSituations);
describeSituations('socket files', socketFileSituations);
describeSituations('users and groups', identitySituations);
describeSituations('environment', environmentSituations);
describeSituations('what else a process inherits', processSituations);
describeSituations('programs', programSituations);
describeSituations('foreground', foregroundSituations);
describeSituations('chroot', chrootSituations);
describeSituations('PID files', pidFileSituations);
describeSituations('without supervision', noSuperviseSituations);

it('provokes every message of 1.6 that can be provoked', (ctx) => {
  ctx.skip(!isRoot, 'needs root');
  const all = referenceOutput.join('\n');
  expect(provokable.filter((message) => !message.test(all)).map(String)).toEqual([]);
});
