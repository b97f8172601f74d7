// What the .deb says of pools that are units of systemd: the functions of its scripts, under a real systemd as PID 1.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as systemd from '../helpers/systemd/index.ts';

const functions = join(import.meta.dirname, '../../src/package/debian/common.sh');
const bare = `-s /run/bare.sock --log /dev/null -- ${systemd.echoProgram}`;
let host: systemd.SystemdMachine;

beforeAll(async () => {
  if (systemd.whyNoSystemd('gcc') === undefined) host = await systemd.bootSystemd();
}, 60_000);

test('a unit is restarted, with a word on what that costs; what was only started in one is taken over', async (ctx) => {
  systemd.needSystemd(ctx, 'gcc');
  systemd.placeEcho(host);
  await systemd.installUnits(host);
  await systemd.addInstance(host, 'kept', { conf: [`PROGRAM=${systemd.echoProgram}`] });
  host.write('/srv/common.sh', readFileSync(functions));
  const unit = (settings: string): string => `[Service]\n${settings}\nKillMode=process\n`;
  const start = (name: string): string =>
    `/usr/local/bin/spawn-fcgi -n --supervise -s /run/${name}.sock -u www-data -- ${systemd.echoProgram}`;
  host.write(
    String.raw`/etc/systemd/system/own\x2done.service`,
    unit(`Type=notify\nExecStart=${start('own')}`),
  );
  // A name that is an option, too: of another machine.
  host.write('/etc/systemd/system/-Hhost.service', unit(`Type=notify\nExecStart=${start('odd')}`));
  host.write(
    '/etc/systemd/system/job.service',
    unit(`Type=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/bin/spawn-fcgi ${bare}`),
  );
  await host.ok(
    String.raw`systemctl daemon-reload; systemctl start -- spawn-fcgi@kept 'own\x2done' -Hhost.service job`,
  );

  const listed = await host.ok(
    `set -e; . /srv/common.sh; lib=/usr/local/lib/node_modules/spawn-fcgi command=/usr/local/bin/spawn-fcgi; list_pools | sed 's/PID [0-9]*/PID/'`,
  );
  const loss = ', which refuses connections for a moment (no FileDescriptorStoreMax=)';
  expect(listed.split('\n').filter(Boolean).toSorted()).toEqual(
    [
      `  PID: spawn-fcgi --replace ${bare}`,
      String.raw`  PID: systemctl restart 'own\x2done.service'` + loss,
      `  PID: systemctl restart -- -Hhost.service${loss}`,
      '  PID: systemctl restart spawn-fcgi@kept.service',
    ].toSorted(),
  );
});
