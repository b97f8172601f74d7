// --replace over workers that lighttpd's command has started, under a real systemd as PID 1: what a unit would start again,
// or end in the middle of a request, is named with its unit and left alone (docs/internals/handover.md#the-move-from-16).
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../helpers/machine/index.ts';
import { referencePath } from '../helpers/pool/index.ts';
import * as systemd from '../helpers/systemd/index.ts';

const needed = ['gcc', referencePath];
let host: systemd.SystemdMachine;

beforeAll(async () => {
  if (systemd.whyNoSystemd(...needed) !== undefined) return;
  host = await systemd.bootSystemd();
  systemd.placeEcho(host);
});
beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));

const by16 = (name: string, options = ''): string =>
  `${referencePath} -s /run/${name}.sock -u www-data ${options} -- ${systemd.echoProgram}`;
const replace = (name: string): string =>
  `/usr/local/bin/spawn-fcgi --replace -s /run/${name}.sock -u www-data --settle 100ms --min-uptime 100ms -- ${systemd.echoProgram}`;

async function startUnit(name: string, lines: readonly string[]): Promise<void> {
  host.write(`/etc/systemd/system/${name}.service`, `[Service]\n${lines.join('\n')}\n`);
  await host.ok(`systemctl daemon-reload && systemctl start ${name}`);
  // Before that systemd may not have read a PID file, or seen the program executed; and for 100 ms the command that has
  // started it holds its socket.
  await waitFor('the program', async () => {
    const names = new Set((await host.ok('ps -eo comm=')).split('\n').map((comm) => comm.trim()));
    return names.has('plain-echo') && !names.has('spawn-fcgi');
  });
}

const holdersOf = (name: string): Promise<string> => host.ok(`fuser /run/${name}.sock 2>/dev/null || true`);

const watched = [
  {
    name: 'pid-file',
    what: 'the main process by PIDFile=',
    lines: [
      'Type=forking',
      'PIDFile=/run/pid-file.pid',
      `ExecStart=${by16('pid-file', '-F 2 -P /run/pid-file.pid')}`,
    ],
    said: /is the main process of pid-file\.service, whose other processes systemd ends with that/,
  },
  {
    name: 'again',
    what: 'one of a unit that is started again',
    lines: ['Type=forking', 'GuessMainPID=no', 'Restart=always', `ExecStart=${by16('again', '-F 2')}`],
    said: /belongs to again\.service, which systemd starts again \(Restart=always\)/,
  },
  {
    name: 'in-place',
    what: 'what -n has become',
    lines: ['Type=exec', `ExecStart=${by16('in-place', '-n')}`],
    said: /is the main process of in-place\.service, whose/,
  },
];

test.for(watched)('$what is named', async ({ name, lines, said }) => {
  await startUnit(name, lines);
  const before = await holdersOf(name);
  const { status, stderr } = await host.run(replace(name));
  expect(stderr).toMatch(said);
  expect(status).toBe(255);
  expect(await holdersOf(name)).toBe(before);
  await host.ok(`systemctl stop ${name}`);
});

const left = [
  {
    name: 'script',
    what: "one of an init script's unit",
    lines: [
      'Type=forking',
      'RemainAfterExit=yes',
      'GuessMainPID=no',
      'KillMode=process',
      `ExecStart=${by16('script', '-F 2')}`,
    ],
  },
  {
    name: 'cron',
    what: 'one that somebody else has started who is a unit',
    lines: ['Type=exec', 'Restart=always', `ExecStart=/bin/sh -c '${by16('cron')}; exec sleep 1000'`],
  },
];

test.for(left)('$what is taken over', async ({ name, lines }) => {
  await startUnit(name, lines);
  const before = (await holdersOf(name)).split(/\s+/).filter(Boolean);
  expect(before.length).toBeGreaterThan(0);
  await host.ok(replace(name));
  await waitFor('the end of the old ones', async () => {
    const now = (await host.ok('ps -eo pid=')).split(/\s+/);
    return !before.some((pid) => now.includes(pid));
  });
  expect(await systemd.property(host, `${name}.service`, 'ActiveState')).toBe('active');
  await host.ok(`spawn-fcgictl stop /run/${name}.sock && systemctl stop ${name}`);
});
