// The same command line through Debian's spawn-fcgi 1.6 and through ours: what the user sees, what the worker gets.
import { expect, it } from 'vitest';
import { isRoot } from '../helpers/machine/index.ts';
import { describeSituations, referenceOutput } from './compare.ts';
import { provokable } from './message.ts';
import * as tables from './situations.ts';

describeSituations('command line', tables.commandLineSituations);
describeSituations('long names of options', tables.longNameSituations);
describeSituations('TCP addresses', tables.addressSituations);
describeSituations('socket files', tables.socketFileSituations);
describeSituations('users and groups', tables.identitySituations);
describeSituations('environment', tables.environmentSituations);
describeSituations('what else a process inherits', tables.processSituations);
describeSituations('programs', tables.programSituations);
describeSituations('foreground', tables.foregroundSituations);
describeSituations('chroot', tables.chrootSituations);
describeSituations('PID files', tables.pidFileSituations);
describeSituations('without supervision', tables.noSuperviseSituations);

it('provokes every message of 1.6 that can be provoked', (ctx) => {
  ctx.skip(!isRoot, 'needs root');
  const all = referenceOutput.join('\n');
  expect(provokable.filter((message) => !message.test(all)).map(String)).toEqual([]);
});
