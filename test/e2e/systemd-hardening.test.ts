// What the lines of docs/systemd/ keep from a pool, and that the programs it names live with them: under a real systemd,
// and by systemd's own judgement.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { fixture } from '../helpers/build/index.ts';
import { runCommand } from '../helpers/machine/index.ts';
import { exposureOf } from '../helpers/pages/index.ts';
import * as systemd from '../helpers/systemd/index.ts';
import { fastcgiRequest } from '../helpers/web/index.ts';

const hardened = systemd.unitFile('hardened.conf');
let host: systemd.SystemdMachine;

beforeAll(async () => {
  if (systemd.whyNoSystemd() !== undefined) return;
  host = await systemd.bootSystemd();
  await systemd.installUnits(host);
  // As programs find it: readable, by a path of nobody's.
  for (const name of ['echo.php', 'cgi-echo.sh'])
    host.write(`/srv/www/${name}`, readFileSync(fixture(name), 'utf8'), 0o755);
});
beforeEach((ctx) => systemd.needSystemd(ctx));

async function answerOf(name: string, params: Record<string, string>): Promise<string> {
  const target = { socketPath: join(host.root, systemd.socketOf(name)) };
  return (await fastcgiRequest(target, { REQUEST_METHOD: 'GET', QUERY_STRING: 'n=1', ...params })).stdout;
}

const programs = [
  { name: 'php', params: { SCRIPT_FILENAME: '/srv/www/echo.php' }, answer: 'GET n=1' },
  { name: 'fcgiwrap', params: { SCRIPT_FILENAME: '/srv/www/cgi-echo.sh' }, answer: 'GET n=1' },
  { name: 'mapserv', params: { QUERY_STRING: 'map=/srv/elsewhere.map' }, answer: 'MapServer Message' },
];

const cases = programs.flatMap((program) =>
  [undefined, hardened].map((dropIn) => ({
    ...program,
    dropIn,
    how: dropIn === undefined ? 'as it is' : 'hardened',
  })),
);

test.for(cases)('$name answers in the unit, $how', async ({ name, params, answer, dropIn }, ctx) => {
  const conf = systemd.unitFile(`${name}.conf`);
  const [, program = ''] = /^PROGRAM=(\S+)/m.exec(conf) ?? [];
  ctx.skip(!existsSync(program), `needs ${basename(program)}`);
  const instance = dropIn === undefined ? name : `${name}-hardened`;
  await systemd.addInstance(host, instance, { conf: [conf], ...(dropIn === undefined ? {} : { dropIn }) });
  await host.ok(`systemctl start spawn-fcgi@${instance}`);
  expect(await answerOf(instance, params)).toContain(answer);
  await host.ok(`systemctl stop spawn-fcgi@${instance}`);
});

test('a setuid program is what it is elsewhere in the unit, and nothing special in the hardened one', async () => {
  await host.ok('cp /usr/bin/id /srv/www/id && chmod 4755 /srv/www/id');
  host.write('/srv/www/who.sh', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n/srv/www/id\n", 0o755);
  const conf = [systemd.unitFile('fcgiwrap.conf')];
  await systemd.addInstance(host, 'who', { conf });
  await systemd.addInstance(host, 'who-hardened', { conf, dropIn: hardened });
  await host.ok('systemctl start spawn-fcgi@who spawn-fcgi@who-hardened');
  const params = { SCRIPT_FILENAME: '/srv/www/who.sh' };
  expect(await answerOf('who', params)).toMatch(/uid=33\(www-data\).* euid=0\(root\)/);
  expect(await answerOf('who-hardened', params)).toMatch(/uid=33\(www-data\)(?!.*euid)/);
  await host.ok('systemctl stop spawn-fcgi@who spawn-fcgi@who-hardened');
});

test('systemd-analyze has nothing to say about the units', async () => {
  const verify = await host.run(
    "cd /etc/systemd/system && systemd-analyze verify 'spawn-fcgi@.service' 'spawn-fcgi@.socket'",
  );
  expect({ ...verify, stdout: '' }).toMatchObject({ status: 0, stderr: '' });
});

const judged = [
  ['as it is', ''],
  ['hardened', hardened],
  ['DynamicUser', systemd.unitFile('dynamic-user.conf')],
  ['hardened, DynamicUser', `${hardened}\n${systemd.unitFile('dynamic-user.conf')}`],
] as const;

test.for(judged)(
  'systemd-analyze security finds the unit, %s, as exposed as the page says',
  async ([how, dropIn], ctx) => {
    const version = Number(/^systemd (\d+)/.exec((await runCommand('systemctl', ['--version'])).stdout)?.[1]);
    ctx.skip(version !== 252, 'the page has the figures of systemd 252');
    await systemd.addInstance(host, 'judged', { conf: ['PROGRAM=/bin/true'], dropIn });
    const { stdout } = await host.run('systemd-analyze security --no-pager spawn-fcgi@judged.service');
    expect(/exposure level .*: ([\d.]+) /.exec(stdout)?.[1]).toBe(exposureOf(how));
  },
);
