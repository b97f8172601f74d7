// `spawn-fcgictl doctor` where requests are answered still: an old release, logs that nobody writes, PID files that lie,
// others on the socket, and limits that cut.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const { expectFinding, expectHealthy } = pools;

test('the old release is in service after a reload that failed, and why is said', async () => {
  const place = await pools.makeEchoPlace();
  await pools.start(place, [], [], { address: place.address });
  place.releases.make('2', '#!/bin/sh\necho cannot load the templates >&2\nexit 3\n');
  place.releases.switchTo('2');
  expect(await pools.ctl(place.stateDir, ['reload', place.name])).toMatchObject({ status: 1 });
  await expectFinding(place, [place.name], {
    check: 'old-release',
    says: /the last reload failed, and the old release is still in service \(generation 1\)/,
    fix: /spawn-fcgictl try \S+app\.sock --release; put it right, then: spawn-fcgictl reload/,
    evidence: /it said: cannot load the templates/,
  });
});

describe('the log', () => {
  test('was removed, and is not opened anew', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    await expectHealthy(place, [place.socket]);
    renameSync(place.log, `${place.log}.1`);
    await expectFinding(place, [place.socket], {
      check: 'log-file',
      says: /nothing is written to \S+events\.log any more: it was removed or renamed/,
      fix: new RegExp(`kill -USR1 ${pool.pid}; in logrotate: create 0640 \\w+`),
    });
    process.kill(pool.pid, 'SIGUSR1');
    await pools.waitForEvents(place, 'logs-reopened');
    await expectHealthy(place, [place.socket]);
  });

  test('was rotated to a file that the supervisor may not write', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    renameSync(place.log, `${place.log}.1`);
    writeFileSync(place.log, '', { mode: 0o640 });
    await expectFinding(place, [place.socket], {
      check: 'log-file',
      says: /any more: another file has its name, which nobody may not write \(mode 0640, root:root\)/,
      fix: /^fix: chown nobody \S+events\.log; kill -USR1 \d+; in logrotate: create 0640 nobody/,
    });
  });

  test('is on a file system that is full', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount', 'dd');
    const place = pools.makePlace();
    const full = join(place.dir, 'full');
    mkdirSync(full);
    const command = [
      pools.oursPath,
      ...pools.commandLine({ ...place, log: join(full, 'log') }, ['-P', place.pidFile]),
    ];
    const doctor = [
      pools.ctlPath,
      '--state-dir',
      place.stateDir,
      'doctor',
      place.socket,
      '--config',
      '/dev/null',
    ];
    const line = (words: string[]): string => words.map((word) => `'${word}'`).join(' ');
    const script = [
      `mount -t tmpfs -o size=64k tmpfs '${full}'`,
      line(command),
      `{ dd if=/dev/zero of='${full}/fill' bs=4k 2>/dev/null || :; }`,
      `{ ${line(doctor)}; status=$?; }`,
      `kill $(cat '${place.pidFile}')`,
      'exit $status',
    ].join(' && ');
    const result = await machine.runCommand('unshare', ['--mount', '/bin/sh', '-c', script], {
      cwd: place.dir,
    });
    expect(result.stdout).toMatch(/: the file system of \S+full\/log is full: .*\nfix: make room on \S+full/);
    expect(result.status).toBe(1);
    await pools.expectNoProcess(place);
  });
});

test('the file of its status socket is gone', async () => {
  const place = pools.makePlace();
  const address = join(place.runDir, 'app.status');
  await pools.start(place, ['--status-socket', address]);
  await expectHealthy(place, [place.socket]);
  rmSync(address);
  await expectFinding(place, [place.socket], {
    check: 'status-socket',
    says: /the file of its status socket \S+app\.status is gone/,
    fix: /^fix: start it again .* --replace, which binds it anew/,
  });
  writeFileSync(address, 'another');
  await expectFinding(place, [place.socket], {
    check: 'status-socket',
    says: /the file of its status socket \S+app\.status was replaced/,
    fix: /\(ls -l \S+app\.status\) and remove it, then start it again .* --replace/,
  });
});

describe('its PID file', () => {
  test('has the PID of another process, or of none, or is gone', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-P', place.pidFile]);
    const finding = { check: 'pid-of-another', fix: new RegExp(`printf %s ${pool.pid} >\\S+app\\.pid`) };
    writeFileSync(place.pidFile, String(process.pid));
    await expectFinding(place, [place.socket], {
      ...finding,
      says: new RegExp(`has PID ${process.pid}, which is another process`),
    });
    // Its own PID file leads to it, whatever it says.
    await expectFinding(place, [place.pidFile], { ...finding, says: /which is another process/ });
    writeFileSync(place.pidFile, '4194304');
    await expectFinding(place, [place.socket], { ...finding, says: /has PID 4194304, which is no process/ });
    rmSync(place.pidFile);
    await expectFinding(place, [place.socket], { ...finding, says: /its PID file \S+ is gone/ });
    writeFileSync(place.pidFile, String(pool.pid));
    await expectHealthy(place, [place.socket]);
  });
});

describe('on its socket', () => {
  test('a pool that 1.6 would have left listens, too, and its file is gone', async () => {
    const place = pools.makePlace();
    const old = await pools.startPool(['-s', place.socket, '--no-supervise', '--', place.app, 'serve'], {
      cwd: place.dir,
    });
    rmSync(place.socket);
    await pools.start(place);
    await expectFinding(place, [place.socket], {
      check: 'second-server',
      says: new RegExp(`a second server was started for \\S+app\\.sock before: PID ${old.pid} \\(app\\)`),
      fix: new RegExp(`^fix: kill ${old.pid}$`),
    });
  });

  test('a daemon that a worker has started holds it', async () => {
    const place = pools.makePlace();
    const script = join(place.dir, 'daemon');
    const told = join(place.dir, 'told');
    const text = `#!/bin/sh\nexec 3<&0\nsetsid sh -c 'echo $$ >>${told}; exec sleep 1000' <&3 3<&- &\nexec '${place.app}' serve 3<&-\n`;
    writeFileSync(script, text, { mode: 0o755 });
    const args = pools.commandLine(place, []);
    await pools.startPool([...args.slice(0, args.indexOf('--')), '--', script], { cwd: place.dir });
    const [daemon] = await pools.waitForPids(told);
    await machine.waitFor(
      'the daemon to have its own program',
      () => readFileSync(`/proc/${daemon}/comm`, 'utf8').trim() === 'sleep',
    );
    await expectFinding(place, [place.socket], {
      check: 'leftover',
      says: new RegExp(`PID ${daemon} \\(sleep\\), outside the pool, holds its socket`),
      fix: new RegExp(`kill ${daemon} if it is not meant to`),
    });
  });
});

test('the kernel cuts the backlog that was asked for', async () => {
  const place = pools.makePlace();
  const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  await pools.start(place, ['-b', String(most + 1)]);
  await expectFinding(place, [place.socket], {
    check: 'backlog-cut',
    says: new RegExp(`-b ${most + 1} was asked for, and the kernel lets ${most} connections wait`),
    fix: new RegExp(`sysctl -w net\\.core\\.somaxconn=${most + 1}`),
  });
});

test('a pool that is stopping says so', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(
    place,
    ['--stop-timeout', '60s', '--stop-signal', 'TERM'],
    ['slow-end=60000', 'serve'],
  );
  process.kill(pool.pid, 'SIGTERM');
  await pools.waitForEvents(place, 'stopping');
  await expectFinding(place, [place.socket], {
    check: 'not-up',
    says: /it is stopping, and lets nobody new in/,
    fix: /start it again: that waits for the end of the stop \(at most 60 s/,
  });
  process.kill(pool.pid, 'SIGTERM');
});

test('everything that is wrong is told with --all, the cause first', async () => {
  const place = pools.makePlace();
  await pools.start(place, ['-P', place.pidFile], ['hang']);
  rmSync(place.pidFile);
  rmSync(place.log);
  const { stdout, status } = await pools.ctl(place.stateDir, [
    'doctor',
    place.socket,
    '--all',
    '--config',
    '/dev/null',
  ]);
  expect(status).toBe(1);
  const heads = stdout.split('\n').filter((line) => /^\S/.test(line));
  expect(heads[0]).toMatch(/none of them accepts/);
  expect(heads[1]).toMatch(/^fix: /);
  expect(heads.slice(2).map((line) => /^(further|not seen)/.exec(line)?.[1])).toContain('further');
  expect(heads.join('\n')).toMatch(/further: nothing is written to .*\nfurther: its PID file/s);
});
