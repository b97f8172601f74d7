// `spawn-fcgictl doctor` where nobody takes the connections: the program does not come up, does not accept, has nothing left
// to accept with, or is held; and where there are too few of it.
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { KeptClient, type FastcgiTarget } from '../helpers/web/index.ts';

const { expectFinding, expectHealthy } = pools;
/** A first crash is followed by a try at once, the next one by an hour. */
const slow = ['--min-uptime', '1ms', '--restart-delay', '1h', '--restart-max-delay', '1h'];

/** Connections that say nothing: each holds a worker, or waits. */
function connectTo(target: FastcgiTarget, count: number): void {
  for (let number = 0; number < count; number += 1) {
    const connection = connect('socketPath' in target ? { path: target.socketPath } : target);
    connection.on('error', () => undefined);
    machine.atEnd(() => void connection.destroy());
  }
}

/** Waits until the status is as it should be. */
async function until(
  place: pools.EchoPlace,
  is: (status: Awaited<ReturnType<typeof pools.statusOf>>) => boolean,
): Promise<void> {
  await machine.waitFor('the state to be found', async () => is(await pools.statusOf(place)));
}

describe('the program', () => {
  /** Its worker has ended, and the next attempt has failed. */
  async function failToExecute(
    spoil: (place: pools.Place) => void,
    options: string[] = [],
  ): Promise<pools.Place> {
    const place = pools.makePlace();
    const pool = await pools.start(place, [...slow, ...options]);
    const worker = await pools.onlyWorker(pool);
    spoil(place);
    process.kill(worker, 'SIGKILL');
    await machine.waitFor('the failure', async () => (await pools.statusOf(place)).backoff === 1);
    return place;
  }

  test('may not be executed any more', async () => {
    const place = await failToExecute(({ app }) => chmodSync(app, 0o644));
    await expectFinding(place, [place.socket], {
      check: 'program-access',
      says: /may not execute \S+\/app \(mode 0644, /,
      fix: /^fix: chmod a\+rx \S+\/app/,
      evidence: /slot 0: exec failed: Permission denied/,
    });
  });

  test('is not there any more', async () => {
    const place = await failToExecute(({ app }) => renameSync(app, `${app}.away`));
    await expectFinding(place, [place.socket], {
      check: 'program-access',
      says: /its program is not there: there is no \S+\/app/,
      fix: /put \S+\/app there/,
    });
  });

  test("is where the pool's user does not get to", async (ctx) => {
    machine.needRoot(ctx);
    const place = await failToExecute(({ dir }) => chmodSync(dir, 0o700), ['-u', 'nobody', '-g', 'nogroup']);
    await expectFinding(place, [place.socket], {
      check: 'program-access',
      says: /nobody, as whom its workers run, cannot enter \S+ \(mode 0700, root:root\), where its program is/,
      fix: /chmod o\+x/,
    });
  });

  test('ends again and again, and its last words are known', async () => {
    const place = pools.makePlace();
    const flag = join(place.dir, 'bad');
    const actions = [`when=${flag}`, 'say=no such database: shop', `when=${flag}`, 'exit=7', 'serve'];
    const pool = await pools.start(place, [...slow, '--output', join(place.dir, 'out')], actions);
    writeFileSync(flag, '');
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await machine.waitFor('backoff', async () => (await pools.statusOf(place)).backoff === 1);
    await expectFinding(place, [place.socket], {
      check: 'crash-loop',
      says: /crash loop: 1 of 1 workers .*exited with (?:status )?7, saying: no such database: shop\)/,
      fix: /put right what it says, then: spawn-fcgictl reload/,
    });
  });

  test('ends again and again, and nobody keeps what it says', async () => {
    const place = pools.makePlace();
    const flag = join(place.dir, 'bad');
    const pool = await pools.start(place, slow, [`when=${flag}`, 'exit=7', 'serve']);
    writeFileSync(flag, '');
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await machine.waitFor('backoff', async () => (await pools.statusOf(place)).backoff === 1);
    await expectFinding(place, [place.socket], {
      check: 'crash-loop',
      says: /crash loop/,
      fix: /see what it says: spawn-fcgictl try \S+app\.sock/,
    });
  });
});

describe('the workers', () => {
  test('never accept', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['-F', '2'], ['hang']);
    await expectFinding(place, [place.socket], {
      check: 'never-accepts',
      says: /its workers run, and none of them accepts connections/,
      fix: /must accept on descriptor 0/,
      evidence: /2 workers: PID \d+ \d+/,
    });
  });

  test('listen on a port of their own instead', async (ctx) => {
    machine.needCommands(ctx, 'perl');
    const place = pools.makePlace();
    const script = join(place.dir, 'server');
    const port = await machine.freePort();
    const text = `#!/usr/bin/perl\nuse IO::Socket::INET;\nmy $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:${port}");\nsleep 1000 while 1;\n`;
    writeFileSync(script, text, { mode: 0o755 });
    const args = pools.commandLine(place, []);
    await pools.startPool([...args.slice(0, args.indexOf('--')), '--', script], { cwd: place.dir });
    await expectFinding(place, [place.socket], {
      check: 'never-accepts',
      says: /none of them accepts/,
      fix: /serve FastCGI on descriptor 0 \(standard input\) instead of a socket of its own/,
      evidence: new RegExp(`PID \\d+ listens on 127\\.0\\.0\\.1:${port} itself`),
    });
  });

  test('have no descriptor left', async () => {
    const place = pools.makePlace();
    const script = join(place.dir, 'greedy');
    writeFileSync(
      script,
      `#!/bin/sh\nexec 3</dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8</dev/null 9</dev/null\nexec '${place.app}' serve\n`,
      { mode: 0o755 },
    );
    const args = pools.commandLine(place, ['--rlimit', 'nofile=11']);
    await pools.startPool([...args.slice(0, args.indexOf('--')), '--', script], { cwd: place.dir });
    await expectFinding(place, [place.socket], {
      check: 'open-files',
      says: /PID \d+ has 10 of 11 descriptors open/,
      fix: /--rlimit nofile=1024/,
    });
  });

  test('are all held by kept connections, and others wait', async () => {
    const place = await pools.makeEchoPlace();
    const args = pools.commandLine(place, ['-F', '2', '--keepalive-quiet', '200ms'], [], {
      address: place.address,
    });
    await pools.startPool(args, { cwd: place.dir });
    const clients = [new KeptClient(place.target), new KeptClient(place.target)];
    for (const client of clients) await client.ask('hello');
    connectTo(place.target, 3);
    await until(place, ({ kept, queue }) => kept === 2 && queue?.length === 3);
    await expectFinding(place, [place.name], {
      check: 'kept-connections',
      says: /2 of 2 held by kept connections, 3 waiting/,
      fix: /no more kept connections than workers: .*scale \S+app\.sock \+2/,
    });
  });

  test.for(['a Unix socket', 'TCP'] as const)('are all busy, and others wait, on %s', async (transport) => {
    const place = await pools.makeEchoPlace(transport);
    await pools.start(place, ['-F', '2'], [], { address: place.address });
    connectTo(place.target, 5);
    await until(place, ({ idle, queue }) => idle === 0 && queue?.length === 3);
    await expectFinding(place, [place.name], {
      check: 'saturated',
      says: /saturated: all 2 workers are busy, 3 connections wait/,
      fix: /spawn-fcgictl scale \S+ \+2, and -F 4 for the next start/,
    });
  });

  test('are too few for a queue that is too short, so that connections are turned away', async () => {
    const place = await pools.makeEchoPlace('TCP');
    await pools.start(place, ['-b', '2'], [], { address: place.address });
    connectTo(place.target, 6);
    await until(place, ({ idle, queue }) => idle === 0 && (queue?.length ?? 0) >= 2);
    await expectFinding(place, [place.name], {
      check: 'short-queue',
      says: /its queue is full \(\d wait, 2 may\): further connections are turned away/,
      fix: /a longer queue: without -b it is 1024/,
      evidence: /ListenOverflows of \/proc\/net\/netstat: \d+/,
    });
  });

  test('are held for a moment only: nothing is wrong', async () => {
    const place = await pools.makeEchoPlace();
    await pools.start(place, ['-F', '2'], [], { address: place.address });
    connectTo(place.target, 2);
    await until(place, ({ idle }) => idle === 0);
    await expectHealthy(place, [place.name]);
  });
});

test('somebody else listens, and lets connections wait', async () => {
  const place = pools.makePlace();
  await pools.startPool(['-s', place.socket, '--no-supervise', '--', place.app, 'hang'], { cwd: place.dir });
  await expectHealthy(place, [place.socket]);
  connectTo({ socketPath: place.socket }, 2);
  await expectFinding(place, [place.socket], {
    check: 'waiting',
    says: /2 connections wait to be accepted/,
    fix: /give it more workers, or see what its processes wait for/,
    evidence: /PID \d+ \(app, \w+\) listens there/,
  });
});
