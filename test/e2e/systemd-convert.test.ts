// What convert writes for systemd, under a real one: its words reach the program as they were, through quotes that are none
// of a shell's.
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { renderConf, renderUnit } from '../../src/ctl/convert/render/unit.ts';
import { Draft, type WantedPool } from '../../src/ctl/convert/wanted-pool.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { collectGiven, givenFacts } from '../helpers/convert/index.ts';
import * as systemd from '../helpers/systemd/index.ts';

const program = '/srv/app/report-worker';
const argv = [
  'two words',
  "it's",
  'say "hi"',
  'back\\slash',
  '$HOME',
  '${HOME}',
  '%n',
  '%%',
  '`id`',
  ';',
  'a;b',
  '',
  '*',
  '#',
  'tab\there',
  'line\nbreak',
  '\u00e4\u{1f600}',
];
const env = {
  QUOTED: 'a "b" \'c\'',
  ODD: '$HOME %n \\ `id` ;#',
  LINES: 'one\ntwo',
  EMPTY: '',
  SLOT: 'not %i',
};

function oddPool(name: string): WantedPool {
  const draft = new Draft('app.conf', name);
  Object.assign(draft.options, {
    socket: systemd.socketOf(name),
    socketMode: '0666',
    user: 'nobody',
    umask: '027',
    workers: '2',
    chdir: '/usr',
  });
  draft.program = [program, ...argv];
  for (const [variable, value] of Object.entries(env)) draft.addVariable(variable, value);
  draft.addVariable('NUMBER', 'worker %i', true);
  return draft.finish();
}

test('a unit and a conf file give a program its words and variables, whatever is in them', async (ctx) => {
  systemd.needSystemd(ctx, 'gcc');
  const host = await systemd.bootSystemd();
  const place = join(host.root, program);
  mkdirSync(dirname(place), { recursive: true });
  copyFileSync(compileC(fixture('report-worker.c'), { static: true }), place);
  chmodSync(place, 0o755);
  await systemd.installUnits(host);
  host.write('/etc/systemd/system/odd.service', renderUnit(oddPool('odd'), '/usr/local/bin'));
  host.write('/etc/spawn-fcgi/strange.conf', renderConf(oddPool('strange')));
  await host.ok('systemctl daemon-reload && systemctl start odd spawn-fcgi@strange');
  for (const name of ['odd', 'strange']) {
    const pool = { socket: join(host.root, systemd.socketOf(name)), workers: 2 };
    const wanted = {
      argv,
      env,
      cwd: '/usr',
      uid: 'nobody',
      umask: '0027',
      mode: '0666',
      envBySlot: { NUMBER: ['worker 0', 'worker 1'] },
    };
    const facts = givenFacts({ ...wanted, socket: pool.socket }, await collectGiven(pool, 2));
    expect({ ...facts, name }).toEqual({ ...wanted, socket: pool.socket, name });
  }
  await host.ok('systemctl stop odd spawn-fcgi@strange');
  expect(await systemd.property(host, 'odd.service', 'Result')).toBe('success');
});
