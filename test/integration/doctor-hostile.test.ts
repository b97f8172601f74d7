// `spawn-fcgictl doctor` as root, where another user would have it say something, or do something.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { formatResult } from '../../src/control/protocol.ts';
import { answerTo, startFake } from '../helpers/fakes/index.ts';
import * as machine from '../helpers/machine/index.ts';
import { exampleWorker } from '../helpers/models/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { expectFinding } = pools;
const nobody = { uid: machine.NOBODY, gid: machine.NOBODY };

/** A pool of root's that only root can connect to. */
async function startClosed(ctx: TestContext): Promise<pools.EchoPlace> {
  machine.needRoot(ctx);
  const place = await pools.makeEchoPlace();
  fs.chmodSync(place.runDir, 0o755);
  await pools.start(place, ['-M', '0600'], [], { address: place.address });
  return place;
}

/** A process that calls itself nginx, with a configuration that passes to the pool. */
async function runAsNginx(
  place: pools.EchoPlace,
  who: { uid?: number; gid?: number },
): Promise<pools.ForegroundPool> {
  const config = join(place.dir, 'nginx.conf');
  fs.writeFileSync(
    config,
    `user nobody nogroup;\nhttp { server { location / { fastcgi_pass unix:${place.name}; } } }\n`,
  );
  const script = join(place.dir, 'nginx.sh');
  fs.writeFileSync(script, 'echo nginx >/proc/$$/comm\nsleep 1000& wait\n');
  const running = pools.startForeground([script, '-c', config], {
    command: '/bin/sh',
    cwd: place.dir,
    ...who,
  });
  const name = (): string => fs.readFileSync(`/proc/${running.pid}/comm`, 'utf8').trim();
  await machine.waitFor('its name', () => name() === 'nginx');
  return running;
}

test('a web server is one that root runs, or the caller, not what another user calls so', async (ctx) => {
  const place = await startClosed(ctx);
  const ask = () => pools.ctl(place.stateDir, ['doctor', place.name]);
  const fake = await runAsNginx(place, nobody);
  expect(await ask()).toMatchObject({ status: 0, stdout: '' });
  await fake.stop();
  // The same process of root's counts, and would have been heard of.
  const real = await runAsNginx(place, {});
  fs.chmodSync(place.name, 0o600);
  const elsewhere = join(place.runDir, 'other.sock');
  fs.writeFileSync(
    join(place.dir, 'nginx.conf'),
    `http { server { location / {\nfastcgi_pass unix:${elsewhere};\n} } }\n`,
  );
  expect((await ask()).stdout).toMatch(
    new RegExp(`nginx\\.conf:2 \\(nginx, PID ${real.pid}\\): fastcgi_pass unix:`),
  );
});

test("a pool of another user's does not have root open its directories to him", async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  for (const path of [place.dir, place.runDir]) machine.giveAway(path, machine.NOBODY);
  const secret = join(machine.makeTempDir(), 'secret');
  fs.mkdirSync(secret, { mode: 0o755 });
  fs.copyFileSync(place.app, join(secret, 'app'));
  const options = [
    '--restart-delay',
    '1h',
    '--restart-max-delay',
    '1h',
    '--min-uptime',
    '1ms',
    '-P',
    place.pidFile,
  ];
  const own = { ...place, app: join(secret, 'app') };
  fs.chmodSync(place.report, 0o666);
  const pool = await pools.start(own, options, ['serve'], { ...nobody, address: ['-s', place.socket] });
  fs.chmodSync(secret, 0o700);
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  await machine.waitFor('the failure', async () => {
    const { stdout } = await pools.ctl(place.stateDir, ['status', '--json', place.socket], nobody);
    return pools.readPools(stdout)[0]?.backoff === 1;
  });
  const asked = await machine.runCommand(pools.ctlPath, [
    'doctor',
    String(pool.pid),
    '--config',
    '/dev/null',
  ]);
  expect(asked).toMatchObject({ status: 1, stderr: '' });
  expect(asked.stdout).toMatch(
    /: its program cannot be executed: exec failed: Permission denied\nfix: look at the file/,
  );
  expect(asked.stdout).not.toContain('chmod');
});

describe('a log of audit', () => {
  test('that everybody may write into is not believed', async (ctx) => {
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = await startClosed(ctx);
    const line = `host kernel: audit(${Math.floor(Date.now() / 1000)}.1:2): apparmor="DENIED" operation="connect" profile="nginx" name="${place.name}" comm="nginx"`;
    const script = [
      'mount -t tmpfs tmpfs /sys/module && mkdir -p /sys/module/apparmor/parameters',
      'echo Y >/sys/module/apparmor/parameters/enabled && mount -t tmpfs tmpfs /var/log',
      `printf '%s\\n' '${line}' >/var/log/syslog`,
      `'${pools.ctlPath}' --state-dir '${place.stateDir}' doctor '${place.name}' --config /dev/null`,
    ];
    const asked = await machine.runCommand('unshare', ['--mount', '/bin/sh', '-c', script.join(' && ')]);
    expect(asked).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });
});

test('the name of a process cannot send sequences to the terminal', async (ctx) => {
  machine.needCommands(ctx, 'perl');
  const place = pools.makePlace();
  const script = join(place.dir, 'named');
  fs.writeFileSync(script, '#!/usr/bin/perl\n$0 = "a\\e[31mb";\nsleep 1000 while 1;\n', { mode: 0o755 });
  await pools.startPool(['-s', place.socket, '--no-supervise', '--', script], { cwd: place.dir });
  fs.rmSync(place.socket);
  await pools.start(place);
  await machine.waitFor('its name', async () =>
    (await pools.ctl(place.stateDir, ['doctor', place.socket])).stdout.includes('\\x1b'),
  );
  await expectFinding(place, [place.socket], {
    check: 'second-server',
    says: /\(a\\x1b\[31mb\)/,
    fix: /kill \d+/,
  });
});

test('nothing in the directories of a pool is changed by it, and its workers are not asked anything', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await pools.start(place, ['-P', place.pidFile], [], { address: place.address });
  const worker = await pools.onlyWorker(pool);
  // The last that it writes, when the command has returned.
  await pools.waitForEvents(place, 'pool-up');
  const look = (): unknown[] => [
    ...fs.readdirSync(place.dir, { recursive: true }).map((name) => {
      const { mtimeMs, ctimeMs, mode, uid, size, ino } = fs.lstatSync(join(place.dir, String(name)));
      return [name, mtimeMs, ctimeMs, mode, uid, size, ino];
    }),
    /^voluntary_ctxt_switches:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1],
  ];
  const before = look();
  await pools.expectHealthy(place, [place.name]);
  await pools.ctl(place.stateDir, ['doctor', place.name, '--all']);
  expect(look()).toEqual(before);
});

/** A pool of root's whose workers are nobody's, with its log and its PID file in a directory of nobody's. */
async function startInHisDirectory(ctx: TestContext) {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const [log, pidFile] = ['log', 'pid'].map((name) => join(place.runDir, name)) as [string, string];
  machine.giveAway(place.runDir, machine.NOBODY);
  const own = { ...place, log };
  const pool = await pools.start(own, ['-u', 'nobody', '-g', 'nogroup', '-P', pidFile]);
  const secret = join(machine.makeTempDir(), 'secret');
  fs.writeFileSync(secret, '1\n', { mode: 0o600 });
  return { place, pool, log, pidFile, secret };
}

test('a link in the place of a log is not given away', async (ctx) => {
  const { place, pool, log, secret } = await startInHisDirectory(ctx);
  fs.rmSync(log);
  fs.symlinkSync(secret, log);
  await expectFinding(place, [place.socket], {
    check: 'log-file',
    says: /another file has its name, which nobody may not write/,
    fix: new RegExp(`^fix: remove or rename ${log} first \\(no chown: .*\\); kill -USR1 ${pool.pid};`),
  });
});

test('a link in the place of a PID file is not written through, nor one that may come', async (ctx) => {
  const { place, pool, pidFile, secret } = await startInHisDirectory(ctx);
  const finding = { check: 'pid-of-another', fix: new RegExp(`^fix: rm -f ${pidFile}, then start it again`) };
  fs.rmSync(pidFile);
  await expectFinding(place, [String(pool.pid)], { ...finding, says: /its PID file \S+ is gone/ });
  fs.symlinkSync(secret, pidFile);
  await expectFinding(place, [String(pool.pid)], {
    ...finding,
    says: /its PID file \S+ has PID 1, which is/,
  });
});

test("what another user's state file names as the supervisor is not to be killed, where it is not his", async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  for (const path of [place.dir, place.runDir]) machine.giveAway(path, machine.NOBODY);
  fs.chmodSync(place.report, 0o666);
  const pool = await pools.start(place, ['-P', place.pidFile], ['serve'], {
    ...nobody,
    address: ['-s', place.socket],
  });
  const name = fs.readdirSync(place.stateDir).find((one) => one.endsWith('.state')) ?? '';
  const path = join(place.stateDir, name);
  const state = fs.readFileSync(path, 'utf8');
  const startTimeOf = (pid: number): string =>
    fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19] ?? '';
  const lie = state
    .replaceAll(`"pid":${pool.pid},`, `"pid":${process.pid},`)
    .replaceAll(`"${startTimeOf(pool.pid)}"`, `"${startTimeOf(process.pid)}"`);
  expect(lie).not.toBe(state);
  fs.writeFileSync(path, lie);
  await expectFinding(place, [place.socket], {
    check: 'supervisor-silent',
    says: new RegExp(`does not answer, and PID ${process.pid}, which it names, is another user’s process`),
    fix: /^fix: nothing that root should do/,
  });
  fs.writeFileSync(path, state);
});

test('a directory of root to which a link of the workers leads is not opened to them', async (ctx) => {
  machine.needRoot(ctx);
  const place = pools.makePlace();
  const secret = join(machine.makeTempDir(), 'secret');
  fs.mkdirSync(secret);
  fs.copyFileSync(place.app, join(secret, 'app'));
  fs.chmodSync(place.report, 0o666);
  const link = join(place.runDir, 'bin');
  fs.symlinkSync(secret, link);
  fs.lchownSync(link, machine.NOBODY, machine.NOBODY);
  machine.giveAway(place.runDir, machine.NOBODY);
  const own = { ...place, app: join(link, 'app') };
  const delays = ['--restart-delay', '1h', '--restart-max-delay', '1h', '--min-uptime', '1ms'];
  const pool = await pools.start(own, ['-u', 'nobody', '-g', 'nogroup', ...delays], ['serve']);
  fs.chmodSync(secret, 0o700);
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  await machine.waitFor('the failure', async () => {
    const { stdout } = await pools.ctl(place.stateDir, ['status', '--json', place.socket]);
    return pools.readPools(stdout)[0]?.backoff === 1;
  });
  await expectFinding(place, [place.socket], {
    check: 'program-access',
    says: /cannot enter \S+\/secret \(mode 0700, root:root\)/,
    fix: new RegExp(`^fix: see who leads there before you open it: namei -l ${own.app}`),
  });
});

test('a process that a pool names a thousand times is looked into once', async () => {
  const worker = exampleWorker({
    pid: process.pid,
    pids: Array.from({ length: 1000 }, () => process.pid),
    restarts: 0,
    lastExit: null,
  });
  const { stateDir, address } = await startFake(machine.makeTempDir(), {
    behaviour: (request, connection) => {
      const changes = { workers: [worker], serving: 'no', phase: 'serving', backoff: 0 } as const;
      connection.end(formatResult(answerTo(request, changes)));
    },
  });
  await expectFinding({ stateDir }, [address], {
    check: 'never-accepts',
    says: /none of them accepts connections/,
    fix: /descriptor 0/,
    evidence: new RegExp(`workers: PID ${process.pid}$`, 'm'),
  });
});
