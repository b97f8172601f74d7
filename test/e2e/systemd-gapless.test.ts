// What becomes of requests while systemctl, a signal or the kernel does something to a unit: each operation under load
// through nginx, with a ledger. Prints the table of docs/systemd.md.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as systemd from '../helpers/systemd/index.ts';

/** Each has a pool of its own for each kind of unit. */
interface Operation {
  what: string;
  /** Resolves when it is over, and the pool serves again. */
  act(unit: string): Promise<void>;
  /** What it needs beside the unit of its kind. */
  dropIn?: string;
  /** How long each client rests between two requests. */
  thinkMs?: number;
}

/**
 * While a service ends, its socket stays open, and its last worker alone has all clients. Where these never rest it is never
 * seen between two requests, and the stop takes anything up to its deadline.
 */
const thinkMs = 40;
const reload: Operation = { what: 'reload', act: (unit) => tell('reload', unit) };
const restart: Operation = { what: 'restart', thinkMs, act: (unit) => tell('restart', unit) };
const stopAndStart: Operation = {
  what: 'stop, then start',
  thinkMs,
  async act(unit) {
    await tell('stop', unit);
    await tell('start', unit);
  },
};
const badRelease: Operation = {
  what: 'reload, bad release',
  async act(unit) {
    await host.ok(`mv ${programOf(unit)} ${programOf(unit)}.good && echo '#!/bin/false' >${programOf(unit)}`);
    expect((await host.run(`systemctl reload ${unit}`)).status).toBe(1);
    await host.ok(`mv ${programOf(unit)}.good ${programOf(unit)}`);
  },
};
const kill: Operation = {
  what: 'kill -9 of the supervisor',
  dropIn: 'Restart=always',
  act: (unit) => andAgain(unit, async (pid) => void (await host.ok(`kill -9 ${pid}`))),
};
const watchdog: Operation = {
  what: 'watchdog: the supervisor hangs',
  dropIn: 'WatchdogSec=2s',
  act: (unit) => andAgain(unit, async (pid) => void (await host.ok(`kill -STOP ${pid}`))),
};

interface Kind {
  what: string;
  dropIn: string;
  hasSocket?: boolean;
  operations: Operation[];
  /** For comparison: it cannot be done without a loss. */
  loses?: boolean;
}

/** A supervisor in the background: nobody keeps its socket, its workers do. */
const forking = [
  'Type=forking',
  'PIDFile=/run/spawn-fcgi/%i/pid',
  'ExecStart=',
  'ExecStart=/usr/local/bin/spawn-fcgi -P /run/spawn-fcgi/%i/pid $ADDRESS $RUN_AS $OPTIONS -- $PROGRAM',
].join('\n');

const kinds: Kind[] = [
  {
    what: 'spawn-fcgi@.service',
    dropIn: '',
    operations: [reload, badRelease, restart, kill, watchdog],
  },
  {
    what: 'with spawn-fcgi@.socket',
    dropIn: '',
    hasSocket: true,
    operations: [reload, restart, stopAndStart, kill],
  },
  {
    what: 'with .socket and DynamicUser=',
    dropIn: systemd.unitFile('dynamic-user.conf'),
    hasSocket: true,
    operations: [reload, restart, kill],
  },
  {
    what: 'Type=forking',
    dropIn: forking,
    operations: [reload, kill],
  },
  { what: 'KillMode=mixed', dropIn: 'KillMode=mixed', operations: [kill], loses: true },
  { what: 'KillMode=control-group', dropIn: 'KillMode=control-group', operations: [kill], loses: true },
  {
    what: 'without the store',
    dropIn: 'FileDescriptorStoreMax=0\nEnvironment=FDSTORE=0',
    operations: [restart],
    loses: true,
  },
];

const cases = kinds.flatMap((kind, number) =>
  kind.operations.map((operation, of) => ({ kind, operation, name: `pool${number}${of}` })),
);

let host: systemd.SystemdMachine;
const rows: systemd.OperationRow[] = [];
const needed = ['nginx', 'gcc'];

beforeAll(async () => {
  if (systemd.whyNoSystemd(...needed) !== undefined) return;
  host = await systemd.bootSystemd();
  systemd.placeEcho(host);
  await systemd.installUnits(host);
  const socketOf = ({ kind, name }: (typeof cases)[number]): string =>
    kind.hasSocket === true ? systemd.givenSocketOf(name) : systemd.socketOf(name);
  await systemd.startWeb(host, Object.fromEntries(cases.map((one) => [one.name, `unix:${socketOf(one)}`])));
});
beforeEach((ctx) => systemd.needSystemd(ctx, ...needed));
afterAll(() => {
  if (rows.length > 0) console.log(systemd.drawOperations(rows));
});

test.for(cases)('$kind.what: $operation.what', { timeout: 60_000 }, async ({ kind, operation, name }) => {
  const unit = `spawn-fcgi@${name}.service`;
  const program = programOf(unit);
  await host.ok(`mkdir -p /srv/${name} && cp ${systemd.echoProgram} ${program}`);
  await systemd.addInstance(host, name, {
    conf: [
      `PROGRAM=${program}`,
      ...(kind.hasSocket === true
        ? ['OPTIONS=-F 4 --settle 200ms --stop-timeout 30s', 'ADDRESS=']
        : ['OPTIONS=-F 4 --settle 200ms --stop-timeout 30s -M 0666']),
    ],
    dropIn: ['[Service]', kind.dropIn.replace(/^\[Service\]$/m, ''), operation.dropIn ?? ''].join('\n'),
  });
  if (kind.hasSocket === true) await openSocket(name);
  else await host.ok(`systemctl start ${unit}`);

  const load = systemd.loadOn(host, name, {
    clients: 4,
    // Who loses what is in flight has something in flight.
    workMs: kind.loses === true ? 200 : 10,
    thinkMs: operation.thinkMs ?? 0,
    mostRequests: 10_000,
  });
  const some = kind.loses === true ? 12 : 40;
  await machine.waitFor('answers', () => load.ledger.counts.answered > some);
  const begin = performance.now();
  await operation.act(unit);
  const tookMs = performance.now() - begin;
  const seen = load.ended();
  await machine.waitFor('what comes afterwards', () => load.ended() > seen + some);
  const ledger = await load.stop();
  rows.push({ unit: kind.what, operation: operation.what, ledger, tookMs });
  await host.ok(`systemctl stop spawn-fcgi@${name}.socket ${unit}`);
  if (kind.loses === true) expect(ledger.lost.length).toBeGreaterThan(0);
  else expect(ledger.lost).toEqual([]);
});

/** Of nginx's user. */
async function openSocket(name: string): Promise<void> {
  host.write(`/etc/systemd/system/spawn-fcgi@${name}.socket.d/test.conf`, '[Socket]\nSocketMode=0666\n');
  await host.ok(`systemctl daemon-reload && systemctl start spawn-fcgi@${name}.socket`);
}

function programOf(unit: string): string {
  return `/srv/${/@(\w+)\./.exec(unit)?.[1]}/plain-echo`;
}

async function tell(verb: string, unit: string): Promise<void> {
  await host.ok(`systemctl ${verb} ${unit}`);
}

/** Does something to the supervisor; resolves when another one is there and says that it is ready. */
async function andAgain(unit: string, act: (pid: string) => Promise<void>): Promise<void> {
  const first = await systemd.property(host, unit, 'MainPID');
  await act(first);
  await systemd.waitForNext(host, unit, first);
}
