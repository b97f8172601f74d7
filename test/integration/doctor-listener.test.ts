// `spawn-fcgictl doctor` where nobody listens, or not where clients look: each broken set-up is named first and alone.
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { transports } from '../helpers/web/index.ts';

const { expectFinding, expectHealthy } = pools;

describe('a healthy pool is silent', () => {
  test.for(transports)(
    'on %s, by its address and by its PID, also where it is the only one',
    async (transport) => {
      const place = await pools.makeEchoPlace(transport);
      const pool = await pools.start(place, ['-F', '2', '-P', place.pidFile], [], { address: place.address });
      for (const target of [[place.name], [String(pool.pid)], [place.pidFile], []])
        await expectHealthy(place, target);
      const { stdout } = await pools.ctl(place.stateDir, [
        'doctor',
        place.name,
        '--json',
        '--config',
        '/dev/null',
      ]);
      expect(JSON.parse(stdout)).toMatchObject([{ address: place.name, findings: [] }]);
    },
  );

  test('as another user, of a pool that dropped its privileges', async (ctx) => {
    machine.needRoot(ctx);
    const place = await pools.makeEchoPlace();
    const user = { uid: machine.NOBODY, gid: machine.NOBODY };
    machine.giveAway(place.runDir, machine.NOBODY);
    mkdirSync(place.stateDir, { recursive: true });
    machine.giveAway(place.stateDir, machine.NOBODY);
    machine.giveAway(place.dir, machine.NOBODY);
    await pools.start(place, [], [], { address: place.address, ...user });
    await expectHealthy(place, [place.name], user);
    await expectHealthy(place, [place.name]);
  });
});

test('with nothing to look at it says so, with status 4', async () => {
  const { stateDir } = pools.makePlace();
  mkdirSync(stateDir);
  const result = await pools.ctl(stateDir, ['doctor', '--config', '/dev/null']);
  expect(result).toMatchObject({ status: 4, stdout: '' });
  expect(result.stderr).toContain('no pool of yours');
});

describe('nobody listens', () => {
  test('on a port', async () => {
    const place = await pools.makeEchoPlace('TCP');
    mkdirSync(place.stateDir);
    await expectFinding(place, [place.name], {
      check: 'nobody-listens',
      says: new RegExp(`nobody listens on ${place.name}: connections are refused, which is a 502`),
      fix: /start the pool: spawn-fcgi -a 127\.0\.0\.1 -p \d+ -- PROGRAM/,
    });
  });

  test('where there is no socket, not even its directory', async () => {
    const place = pools.makePlace();
    mkdirSync(place.stateDir);
    const finding = { check: 'nobody-listens', fix: /start the pool: spawn-fcgi -s \S+app\.sock / };
    await expectFinding(place, [place.socket], { ...finding, says: /there is no socket .*app\.sock/ });
    rmSync(place.runDir, { recursive: true });
    await expectFinding(place, [place.socket], {
      ...finding,
      says: /there is no \S+\/run, and so no socket/,
    });
  });

  test('on a socket file that was left behind, or on what is no socket', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    renameSync(place.socket, `${place.socket}.kept`);
    await pools.endPool(place, pool);
    renameSync(`${place.socket}.kept`, place.socket);
    const finding = { check: 'nobody-listens', fix: /start the pool/ };
    await expectFinding(place, [place.socket], { ...finding, says: /the socket file .* somebody has left/ });
    await expectFinding(place, [place.runDir], { ...finding, says: /run is no socket/ });
  });

  test('on the port that nginx passes to, while a pool has another one', async () => {
    const place = await pools.makeEchoPlace('TCP');
    await pools.start(place, [], [], { address: place.address });
    const wrong = `127.0.0.1:${await machine.freePort()}`;
    const config = join(place.dir, 'nginx.conf');
    writeFileSync(config, `http { server { location / {\nfastcgi_pass ${wrong};\n} } }\n`);
    await expectFinding(place, [wrong, '--config', config], {
      check: 'nobody-listens',
      says: new RegExp(`nobody listens on ${wrong}`),
      fix: new RegExp(`if ${place.name} is meant, write that into ${config}:2`),
      evidence: new RegExp(`${config}:2 .*fastcgi_pass ${wrong}`),
    });
  });
});

describe('the PID file that was given', () => {
  test('has the PID of another process', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const file = join(place.dir, 'other.pid');
    writeFileSync(file, String(process.pid));
    await expectFinding(place, [file], {
      check: 'pid-file',
      says: new RegExp(`leads to no pool: PID ${process.pid} is no supervisor`),
      fix: new RegExp(`status ${place.socket}`),
      evidence: new RegExp(`has PID ${pool.pid}`),
    });
  });

  test('is empty, or not there', async () => {
    const place = pools.makePlace();
    mkdirSync(place.stateDir);
    const finding = { check: 'pid-file', fix: /start the pool with -P/ };
    await expectFinding(place, [place.pidFile], { ...finding, says: /leads to no pool: it is not there/ });
    writeFileSync(place.pidFile, '');
    await expectFinding(place, [place.pidFile], {
      ...finding,
      says: /leads to no pool: the PID file is empty/,
    });
  });
});

test('the supervisor was killed, and its workers serve on alone', async () => {
  const place = await pools.makeEchoPlace();
  const pool = await pools.start(place, ['-F', '2'], [], { address: place.address });
  const [worker] = await pools.fullPool(pool, 2);
  await pools.killSupervisor(pool);
  await expectFinding(place, [place.name], {
    check: 'supervisor-killed',
    says: new RegExp(`its supervisor \\(PID ${pool.pid}\\) was killed, and its workers serve on alone`),
    fix: /start it again with its own command/,
    evidence: new RegExp(`slot 0: PID ${worker}`),
  });
});

test('the supervisor does not answer', async () => {
  const place = pools.makePlace();
  const pool = await pools.start(place);
  process.kill(pool.pid, 'SIGSTOP');
  try {
    await expectFinding(place, [place.socket, '--timeout', '300ms'], {
      check: 'supervisor-silent',
      says: /its supervisor does not answer/,
      fix: new RegExp(`/proc/${pool.pid}/status`),
      evidence: /no answer within 300 ms/,
    });
  } finally {
    process.kill(pool.pid, 'SIGCONT');
  }
});

describe('the socket file', () => {
  test('is gone', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    rmSync(place.socket);
    await expectFinding(place, [place.socket], {
      check: 'socket-file',
      says: /its socket file is gone/,
      fix: /spawn-fcgictl restart \S+app\.sock binds it anew/,
    });
  });

  test('is gone from where the supervisor may not look', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    await pools.start(place, ['-u', 'nobody', '-g', 'nogroup']);
    chmodSync(place.runDir, 0o700);
    await expectHealthy(place, [place.socket]);
    rmSync(place.socket);
    await expectFinding(place, [place.socket], {
      check: 'socket-file',
      says: /its socket file is gone/,
      fix: /start the pool again with its own command/,
    });
  });

  test('was replaced by that of another server, who is named', async () => {
    const place = pools.makePlace();
    await pools.start(place);
    rmSync(place.socket);
    const server = createServer().listen(place.socket);
    machine.atEnd(() => void server.close());
    await machine.waitFor('the other server', () => server.listening);
    await expectFinding(place, [place.socket], {
      check: 'socket-file',
      says: /another file is in the place of its socket/,
      fix: /end who listens there now/,
      evidence: new RegExp(`PID ${process.pid} .* listens there`),
    });
  });

  test('is in a directory that only the pool sees', async (ctx) => {
    machine.needRoot(ctx);
    machine.needCommands(ctx, 'unshare', 'mount');
    const place = pools.makePlace();
    const command = [pools.oursPath, ...pools.commandLine(place, [])].map((word) => `'${word}'`).join(' ');
    const script = `mount -t tmpfs tmpfs '${dirname(place.socket)}' && exec ${command}`;
    await pools.startPool(['--mount', '/bin/sh', '-c', script], { command: 'unshare', cwd: place.dir });
    await expectFinding(place, [place.socket], {
      check: 'private-directory',
      says: /its socket is in a directory that only the pool sees/,
      fix: /-s \/run\/app\.sock/,
    });
  });
});

test('a worker has shut the socket down', async () => {
  const place = pools.makePlace();
  const script = join(place.dir, 'spoil');
  writeFileSync(script, '#!/usr/bin/perl\nshutdown(STDIN, 2) if -e $ARGV[0]; sleep 1000 while 1;\n', {
    mode: 0o755,
  });
  const flag = join(place.dir, 'flag');
  const args = pools.commandLine(place, ['--ready-timeout', '5s']);
  const pool = await pools.startPool([...args.slice(0, args.indexOf('--')), '--', script, flag], {
    cwd: place.dir,
  });
  writeFileSync(flag, '');
  process.kill(await pools.onlyWorker(pool), 'SIGKILL');
  await machine.waitFor('the spoilt socket', async () => (await pools.statusOf(place)).unreachable !== null);
  await expectFinding(place, [place.socket], {
    check: 'socket-spoiled',
    says: /no client can reach it: its socket was shut down/,
    fix: /spawn-fcgictl restart/,
  });
});
