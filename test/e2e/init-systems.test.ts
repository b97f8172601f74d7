// Pools under runit, s6, daemontools and multiwatch, by the scripts and commands of docs/init-systems.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import * as inits from '../helpers/init/index.ts';
import { waitFor } from '../helpers/machine/index.ts';
import { managerCommand, pageScript } from '../helpers/pages/index.ts';

const fcgiwrap = '/usr/sbin/fcgiwrap';
const managers = [
  ['runit', 'runsv'],
  ['s6', 's6-supervise'],
  ['daemontools', 'supervise'],
] as const;

test.for(managers)('%s keeps a pool up, reloads, restarts and stops it', async ([name, program], ctx) => {
  const command = (row: string): string => managerCommand(row, name);
  const [scan = ''] = command('scans').split(' ');
  inits.needMachine(ctx, fcgiwrap, program, scan);
  const machine = await inits.startMachine({
    files: {
      '/srv/service/app/run': inits.quickReload(pageScript('sh run')),
      '/srv/service/app/log/run': `#!/bin/sh\n${command('log/run')}\n`,
    },
  });
  machine.keep(`exec ${command('scans')}`);
  const first = await inits.poolOn(machine);
  await inits.upPool(machine);

  const [supervisor = 0, ...workers] = first;
  await inits.tell(machine, command('reload'));
  const [same = 0, ...renewed] = await inits.poolOn(machine, workers);
  expect(same).toBe(supervisor);
  await inits.reloadEnd(machine, 'srv/service/app/log/current');

  const second = await inits.killUnderLoad(machine, same, [same, ...renewed]);
  const manager = machine
    .pidsOf(program)
    .find((pid) => readFileSync(join(machine.root, `proc/${pid}/cmdline`), 'utf8').endsWith('\0app\0'));
  const third = await inits.killUnderLoad(machine, manager ?? 0, second);
  await inits.upPool(machine);

  const held = await inits.holdPool(machine, 'app.sock');
  const down = inits.tell(machine, command('down'));
  await inits.stoppingPool(machine);
  held.release();
  await held.answer;
  await down;
  await inits.poolEnd(machine);
  await inits.tell(machine, command('up'));
  const fourth = await inits.poolOn(machine, third);
  await inits.upPool(machine);
  await inits.tell(machine, command('restart'));
  await inits.poolOn(machine, fourth);
});

test("s6 waits for the pool's own word that it is up", async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, 's6-supervise');
  const machine = await inits.startMachine({
    files: {
      '/srv/app/run': pageScript('sh s6'),
      '/srv/app/notification-fd': '3',
      '/srv/app/down': '',
    },
  });
  machine.keep('exec s6-supervise /srv/app');
  await waitFor('s6-supervise', async () => (await machine.run('s6-svok /srv/app')).status === 0);
  await inits.tell(machine, 's6-svc -wU -T 15000 -u /srv/app');
  await inits.tell(machine, 'spawn-fcgictl ping /run/app.sock');
  expect((await inits.tell(machine, 's6-svstat -o ready /srv/app')).stdout).toBe('true\n');
  await inits.tell(machine, 's6-svc -wD -T 15000 -d /srv/app');
  await inits.poolEnd(machine);
});

test('multiwatch runs below -n as it does with 1.6, and is stopped by TERM', async (ctx) => {
  inits.needMachine(ctx, fcgiwrap, '/usr/bin/multiwatch');
  const machine = await inits.startMachine();
  const starting = machine.run(
    `exec spawn-fcgi -n -s /run/app.sock -u www-data -- /usr/bin/multiwatch -f 2 -- ${fcgiwrap}`,
  );
  const [first = 0] = await inits.poolOn(machine, [], 2);
  await inits.askPool(machine, 'app.sock');
  await machine.run(`kill -9 ${first}`);
  await inits.poolOn(machine, [first], 2);
  // Nothing of ours is left: the process that was started is multiwatch.
  expect(machine.processes()).toEqual([fcgiwrap, fcgiwrap]);
  const { stdout } = await machine.run('ps -o args= -C multiwatch');
  expect(stdout).toBe(`/usr/bin/multiwatch -f 2 -- ${fcgiwrap}\n`);
  await machine.run('pkill -TERM -x multiwatch');
  await inits.emptyMachine(machine);
  expect((await starting).status).toBe(0);
});
