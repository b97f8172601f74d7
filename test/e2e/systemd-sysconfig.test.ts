// Red Hat's /etc/sysconfig/spawn-fcgi and the unit that reads it (docs/init/rhel/), under a real systemd as PID 1.
import { expect, test } from 'vitest';
import { waitFor } from '../helpers/machine/index.ts';
import { initFile, pageScript } from '../helpers/pages/index.ts';
import * as systemd from '../helpers/systemd/index.ts';

const unit = 'spawn-fcgi.service';

test('a pool starts, reloads, outlives its supervisor and stops with the settings of the package', async (ctx) => {
  systemd.needSystemd(ctx, '/usr/bin/php-cgi');
  const host = await systemd.bootSystemd();
  expect(initFile('rhel/spawn-fcgi.sysconfig')).toContain(pageScript('sh sysconfig'));
  // No machine of Debian's has that user; where commands are is npm's business.
  const settings = initFile('rhel/spawn-fcgi.sysconfig')
    .replaceAll('apache', 'www-data')
    .replace('-C 32', '-C 3');
  host.write('/etc/sysconfig/spawn-fcgi', settings);
  host.write(
    `/etc/systemd/system/${unit}`,
    initFile('rhel/spawn-fcgi.service').replaceAll('/usr/bin/spawn-fcgi', '/usr/local/bin/spawn-fcgi'),
  );
  const ping = 'spawn-fcgictl ping --probe /run/php-fcgi.sock';
  await host.ok(`systemctl daemon-reload && systemctl start ${unit} && ${ping}`);
  expect(await host.ok('cat /run/spawn-fcgi.pid')).toBe(await systemd.property(host, unit, 'MainPID'));
  await host.ok(`systemctl reload ${unit} && ${ping}`);

  const first = await systemd.property(host, unit, 'MainPID');
  await host.ok(`kill -9 ${first}`);
  await systemd.waitForNext(host, unit, first);
  await host.ok(ping);

  await host.ok(`systemctl stop ${unit}`);
  const left = await host.run('ps -C php-cgi -o pid=');
  expect(left.stdout).toBe('');
});

test('a variable inside of the settings, which systemd leaves as it is, is told of', async (ctx) => {
  systemd.needSystemd(ctx);
  const host = await systemd.bootSystemd();
  host.write(
    '/etc/sysconfig/spawn-fcgi',
    'SOCKET=/run/php.sock\nOPTIONS="-u www-data -s $SOCKET -- /bin/false"\n',
  );
  host.write(
    `/etc/systemd/system/${unit}`,
    '[Service]\nType=exec\nEnvironmentFile=/etc/sysconfig/spawn-fcgi\nExecStart=/usr/local/bin/spawn-fcgi -n $OPTIONS\nStandardError=file:/srv/said\n',
  );
  await host.run(`systemctl daemon-reload && systemctl start ${unit}`);
  const isTold = async (): Promise<boolean> => /hint: .*\$SOCKET/.test(await host.ok('cat /srv/said'));
  await waitFor('the hint', isTold, { intervalMs: 50 });
});
