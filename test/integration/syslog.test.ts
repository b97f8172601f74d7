// Events in syslog, and on a standard error that nobody reads: what arrives, and that nobody waits for who does not read.
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { syslogLog } from '../../src/sys/log/event-log.ts';
import { compileC, fixture } from '../helpers/build/index.ts';
import { atEnd, needCommands, needRoot, runCommand, waitFor } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startSyslogd } from '../helpers/sys/index.ts';

const daemon = { err: 3 * 8 + 3, notice: 3 * 8 + 5, warning: 3 * 8 + 4 } as const;

describe('events in the background', () => {
  test('go to syslogd with facility daemon, time, tag and PID', async (ctx) => {
    needNamespaces(ctx);
    const { place, dev } = makeDev();
    const syslogd = startSyslogd(join(dev, 'log'));
    const pool = await startWithDev(place, dev);
    const lines = await waitFor('the first event', () => nonEmpty(syslogd.take()));
    const time = '[A-Z][a-z]{2} [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}';
    const text = `pool up on ${place.socket} with 1 worker`;
    expect(lines[0]).toMatch(
      new RegExp(`^<${daemon.notice}>${time} spawn-fcgi/app\\[${pool.pid}\\]: ${text}$`),
    );
  });

  test('are whole JSON objects but for the time, which syslogd has', async (ctx) => {
    needNamespaces(ctx);
    const { place, dev } = makeDev();
    const syslogd = startSyslogd(join(dev, 'log'));
    const { pid } = await startWithDev(place, dev, ['--log-format', 'json']);
    const [line = ''] = await waitFor('the first event', () => nonEmpty(syslogd.take()));
    const { socket: address } = place;
    const whose = { v: 1, name: 'app', address, pid, severity: 'notice' };
    expect(JSON.parse(line.slice(line.indexOf('{')))).toEqual({ ...whose, event: 'pool-up', workers: 1 });
  });

  test('go to a syslogd that came later, and to its successor', async (ctx) => {
    needNamespaces(ctx);
    const { place, dev } = makeDev();
    const pool = await startWithDev(place, dev);
    const killed: number[] = [];
    for (let round = 0; round < 2; round++) {
      const syslogd = startSyslogd(join(dev, 'log'));
      killed.push(await pools.onlyWorker(pool, killed));
      process.kill(killed.at(-1) ?? 0, 'SIGKILL');
      await waitFor('the event', () =>
        syslogd.take().some((line) => line.includes(`(PID ${killed.at(-1)})`)),
      );
      syslogd.end();
    }
  });

  test('under chroot and -u go there too, also when it is started again', async (ctx) => {
    needNamespaces(ctx);
    const { place, dev } = makeDev();
    const first = startSyslogd(join(dev, 'log'));
    const root = join(place.dir, 'root');
    fs.mkdirSync(root);
    fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
    const pool = await startWithDev(place, dev, ['-c', root, '-S', '-u', 'nobody', '-g', 'nogroup'], '/app');
    await waitFor('the first event', () => first.take().some((line) => line.includes('pool up')));
    first.end();
    const second = startSyslogd(join(dev, 'log'));
    const worker = await pools.onlyWorker(pool);
    process.kill(worker, 'SIGKILL');
    const line = await waitFor('the event', () =>
      second.take().find((one) => one.includes(`(PID ${worker})`)),
    );
    expect(line).toMatch(new RegExp(`^<${daemon.warning}>`));
  });

  test('that syslogd does not read keep nothing from working, and are counted', async (ctx) => {
    needNamespaces(ctx);
    const { place, dev } = makeDev();
    const syslogd = startSyslogd(join(dev, 'log'));
    const pool = await startWithDev(place, dev);
    await waitFor('the first event', () => nonEmpty(syslogd.take()));
    syslogd.fill();
    const first = await pools.onlyWorker(pool);
    process.kill(first, 'SIGKILL');
    const second = await pools.onlyWorker(pool, [first]);
    process.kill(second, 'SIGKILL');
    const third = await pools.onlyWorker(pool, [first, second]);
    syslogd.take();
    process.kill(third, 'SIGKILL');
    const lines = await waitFor('the count', () => nonEmpty(syslogd.take()));
    expect(lines[0]).toMatch(/\[\d+\]: [1-9] events? (was|were) not logged/);
    syslogd.fill();
    await pools.endPool(place, pool);
  });
});

describe('a start that fails', () => {
  /** What syslogd got, without time and PID, and what was printed. */
  async function fail(
    args: (place: pools.Place) => readonly string[],
    before = '',
  ): Promise<{ told: string[]; printed: string[] }> {
    const { place, dev } = makeDev();
    const syslogd = startSyslogd(join(dev, 'log'));
    const result = await runCommand('unshare', insideDev(dev, args(place), before), { cwd: place.dir });
    expect(result.status).toBeGreaterThan(0);
    const told = syslogd.take().map((line) => line.replace(/>.*? spawn-fcgi/, '> ').replace(/\[\d+\]/, ''));
    return { told, printed: result.stderr.split('\n').filter(Boolean) };
  }

  const asTold = (name: string, printed: readonly string[]): string[] =>
    printed.map((line) => `<${daemon.err}> ${name}${line.replace(/^spawn-fcgi/, '')}`);

  const background: readonly (readonly [string, (place: pools.Place) => readonly string[], string])[] = [
    ['in the command line', () => ['-p', '80', '--wrokers', '3'], ''],
    ['in a value', (place) => ['-s', place.socket, '-F', '0', '--', place.app], ''],
    ['before it has a socket', (place) => ownOptions({ ...place, socket: '/none/x' }), '/app'],
    ['by its program', (place) => ownOptions(place, '/none/app'), '/app'],
    [
      'by its program, in a chroot and with --log',
      (place) => [
        '-c',
        place.runDir,
        '-S',
        '--log',
        place.log,
        '-u',
        'nobody',
        '-g',
        'nogroup',
        ...ownOptions(place),
      ],
      '/app',
    ],
  ];

  test.for(background)(
    '%s, in the background, is told to syslogd in the same lines',
    async ([, args, name], ctx) => {
      needNamespaces(ctx);
      const { told, printed } = await fail(args);
      expect(printed.length).toBeGreaterThan(0);
      expect(told).toEqual(asTold(name, printed));
    },
  );

  test('before there is a Node to run, in the background, is told by logger, but not in the foreground', async (ctx) => {
    needNamespaces(ctx);
    needCommands(ctx, 'logger');
    const { place, dev } = makeDev();
    const syslogd = startSyslogd(join(dev, 'log'));
    const bin = join(place.dir, 'package/bin');
    fs.mkdirSync(bin, { recursive: true });
    for (const name of ['spawn-fcgi', 'find-node.sh'])
      fs.copyFileSync(join(import.meta.dirname, '../../bin', name), join(bin, name));
    const startCopy = async (options: readonly string[]): Promise<string> => {
      const args = insideDev(dev, [...options, ...ownOptions(place)]).with(5, join(bin, 'spawn-fcgi'));
      return (await runCommand('unshare', args, { cwd: place.dir })).stderr;
    };
    expect(await startCopy(['-n'])).toContain('was not built');
    expect(syslogd.take()).toEqual([]);
    const [line] = (await startCopy([])).split('\n');
    const [told] = syslogd.take();
    expect(told).toMatch(new RegExp(`^<${daemon.err}>.* spawn-fcgi\\[\\d+\\]: this copy was not built`));
    expect(told?.endsWith(line?.replace('spawn-fcgi: ', '') ?? 'x')).toBe(true);
  });

  test("is not told to syslogd in the foreground, under 1.6's model, and where its lines are in the journal", async (ctx) => {
    needNamespaces(ctx);
    const journal = 'JOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2)';
    for (const [options, before] of [
      [['-n'], ''],
      [['-n', '--supervise'], ''],
      [['--no-supervise'], ''],
      [[], `export ${journal};`],
    ] as const) {
      const { told, printed } = await fail(
        (place) => [...options, '-s', place.socket, '--', '/none/app'],
        before.replace('/dev/fd/2', '/proc/self/fd/2'),
      );
      expect(printed.length).toBeGreaterThan(0);
      expect(told).toEqual([]);
    }
  });
});

test('a syslogd with a stream socket gets its lines ended by NUL', async () => {
  const path = join(pools.makePlace().dir, 'log');
  let received = '';
  const server = createServer((connection) => connection.on('data', (chunk) => (received += String(chunk))));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  atEnd(() => void server.close());
  const log = syslogLog({ format: 'human', name: 'app', address: path, pid: process.pid }, path);
  log.write({ event: 'stopped' });
  log.write({ event: 'logs-reopened' });
  await waitFor('both lines', () => received.split('\0').length === 3);
  expect(received).toMatch(/^<29>[^\0]* spawn-fcgi\/app\[\d+\]: stopped\0<29>[^\0]*: logs reopened\0$/);
});

test('standard error that nobody reads keeps a pool in the foreground from nothing, and losses are counted', async (ctx) => {
  needCommands(ctx, 'mkfifo');
  const place = pools.makePlace();
  const fifo = join(place.dir, 'stderr');
  await runCommand('mkfifo', [fifo]);
  const reader = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  atEnd(() => fs.closeSync(reader));
  fill(reader);
  const script = 'exec "$@" 2>"$0"';
  const args = ['-c', script, fifo, pools.oursPath, '-n', '--supervise', ...ownOptions(place)];
  const pool = pools.startForeground(args, { command: '/bin/sh', cwd: place.dir });
  await waitFor('the announcement', () => pool.stdout().includes('successfully'));
  const first = await pools.onlyWorker(pool);
  process.kill(first, 'SIGKILL');
  const second = await pools.onlyWorker(pool, [first]);
  drain(reader);
  process.kill(second, 'SIGKILL');
  const third = await pools.onlyWorker(pool, [first, second]);
  expect(third).not.toBe(second);
  await waitFor('the count', () => /events? (was|were) not logged/.test(drain(reader)));
  fill(reader);
  process.kill(pool.pid, 'SIGTERM');
  expect((await pool.ended).status).toBe(0);
});

function ownOptions(place: pools.Place, program = place.app): string[] {
  const options = ['-s', place.socket, '--state-dir', place.stateDir, '--min-uptime', '1ms'];
  return [...options, '--', program, 'serve'];
}

function needNamespaces(ctx: Parameters<typeof needRoot>[0]): void {
  needRoot(ctx);
  needCommands(ctx, 'unshare', 'mount');
}

/** A directory for the pool's namespace to have as /dev. */
function makeDev(): { place: pools.Place; dev: string } {
  const place = pools.makePlace();
  const dev = join(place.dir, 'dev');
  fs.mkdirSync(dev);
  for (const name of ['null', 'urandom']) fs.writeFileSync(join(dev, name), '');
  return { place, dev };
}

function startWithDev(
  place: pools.Place,
  dev: string,
  options: readonly string[] = [],
  program?: string,
): Promise<pools.Pool> {
  const own = [...options, ...ownOptions(place, program)];
  return pools.startPool(insideDev(dev, own), { command: 'unshare', cwd: place.dir });
}

/** Arguments of unshare(1) for our command with that directory as /dev; `before` is shell code right before it. */
function insideDev(dev: string, args: readonly string[], before = ''): string[] {
  const devices = ['null', 'urandom'].map((name) => `mount --bind /dev/${name} '${dev}/${name}'`);
  const script = `${devices.join(' && ')} && mount --rbind '${dev}' /dev && ${before} exec "$@"`;
  return ['--mount', '/bin/sh', '-c', script, 'sh', pools.oursPath, ...args];
}

function nonEmpty(lines: readonly string[]): readonly string[] | undefined {
  return lines.length > 0 ? lines : undefined;
}

function fill(pipe: number): void {
  for (const size of [4096, 1]) {
    try {
      for (;;) fs.writeSync(pipe, 'x'.repeat(size));
    } catch {
      // Full.
    }
  }
}

/** Everything that is in the pipe now. */
function drain(pipe: number): string {
  const buffer = Buffer.alloc(1024 * 1024);
  try {
    return buffer.toString('utf8', 0, fs.readSync(pipe, buffer));
  } catch {
    return '';
  }
}
