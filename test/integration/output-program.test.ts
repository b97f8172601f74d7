// --output '|COMMAND': one program reads what all workers print. It is started again, outlives the supervisor, and
// whatever becomes of it, no worker ends of it.
import * as fs from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';
import { startSyslogd } from '../helpers/sys/index.ts';

const user = ['-u', 'nobody', '-g', 'nogroup'];
const inPlace = ({ dir }: pools.Place, name: string): string => join(dir, name);
const read = (path: string): string => (fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : '');
/** Reads no byte behind the line that it writes: a kill costs one line at most. */
const lineByLine = 'sh -c "while read -r line; do echo \\"\\$line\\"; done >>out"';

/** The first worker, which is a child of its own beside the log program. */
async function workerOf(place: pools.Place): Promise<number> {
  const [first] = await pools.waitForStarts(place, 1);
  return first?.pid ?? 0;
}

/** Processes of the pool's log program, its leader first; none while it waits to be started again. */
async function logProgram(place: pools.Place): Promise<number[]> {
  const leader = (await pools.statusOf(place)).output?.program?.pid ?? 0;
  return leader === 0 ? [] : [leader, ...machine.sessionMembers(leader).filter((pid) => pid !== leader)];
}

/** With its shell in front of it. */
function wholeProgram(place: pools.Place): Promise<number[]> {
  return machine.waitFor('the log program', async () => {
    const found = await logProgram(place);
    return found.length > 1 && found;
  });
}

/** A root directory with the worker and a shell, and no file more than these need. */
function makeRoot(place: pools.Place): string {
  const root = inPlace(place, 'root');
  const libraries = execFileSync('ldd', ['/bin/sh'], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const path of ['/bin/sh', ...libraries]) {
    fs.mkdirSync(dirname(join(root, path)), { recursive: true });
    fs.copyFileSync(path, join(root, path));
  }
  fs.mkdirSync(join(root, place.dir), { recursive: true });
  fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, place.dir, 'app'));
  return root;
}

describe('with the real one', () => {
  const logs = (dir: string): string =>
    fs
      .readdirSync(dir)
      .map((name) => read(join(dir, name)))
      .join('');
  test.for([
    ['svlogd', 'svlogd logs'],
    ['multilog', 'multilog t ./logs'],
    ['s6-log', 's6-log -- t ./logs'],
    ['rotatelogs', 'rotatelogs logs/app.%s 86400'],
  ] as const)(
    '%s has every line, runs as the user of -u, and ends behind the workers',
    async ([command, line], ctx) => {
      machine.needRoot(ctx);
      machine.needCommands(ctx, command);
      const place = pools.makePlace();
      const dir = inPlace(place, 'logs');
      fs.mkdirSync(dir);
      fs.chmodSync(dir, 0o777);
      const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
      const pool = await pools.start(
        place,
        [...user, '-F', '2', '--output', `|${line}`],
        ['say=first', 'complain=second', 'serve'],
        { env },
      );
      await machine.waitFor('the lines', () => logs(dir).match(/first|second/g)?.length === 4);
      const program = await wholeProgram(place);
      for (const pid of program) {
        expect(fs.readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
        const sockets = machine.readOpenFiles(pid).filter(({ target }) => target.startsWith('socket:'));
        expect(sockets.map(({ target }) => target)).toEqual([]);
      }
      // It has not read the last lines yet: they are not lost.
      process.kill(program[0] ?? 0, 'SIGSTOP');
      process.kill(pool.pid, 'SIGTERM');
      await machine.waitFor('the supervisor to end', () => !machine.isAlive(pool.pid));
      for (const pid of program) if (machine.isAlive(pid)) process.kill(pid, 'SIGCONT');
      await pools.expectNoProcess(place);
      expect(logs(dir).match(/first|second/g)).toHaveLength(4);
    },
  );
});

test('logger sends them to syslog', async (ctx) => {
  machine.needCommands(ctx, 'logger');
  const place = pools.makePlace();
  const syslog = startSyslogd(inPlace(place, 'syslog'));
  const pool = await pools.start(place, ['--output', '|logger -u syslog -t app'], ['say=first', 'serve']);
  const lines: string[] = [];
  await machine.waitFor('the line', () => lines.push(...syslog.take()) > 0);
  expect(lines[0]).toMatch(/ app: first$/);
  await pools.endPool(place, pool);
  syslog.end();
});

describe('the program', () => {
  test('that is killed while workers write is started again; no worker ends of it, and no line is torn', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      ['--restart-delay', '10ms', '--output', `|${lineByLine}`],
      ['chat=1', 'serve'],
    );
    const worker = await workerOf(place);
    const lines = (): string[] => read(inPlace(place, 'out')).split('\n').filter(Boolean);
    const kills = 5;
    let last = 0;
    for (let count = 1; count <= kills; count++) {
      await machine.waitFor('more lines', () => lines().length > last);
      const [, ...program] = await wholeProgram(place);
      for (const pid of program) process.kill(pid, 'SIGKILL');
      await pools.waitForEvents(place, 'log-program-ended', count);
      last = lines().length;
    }
    await machine.waitFor('lines of the last one', () => lines().length > last);
    expect(machine.sessionMembers(worker)).toHaveLength(2);
    await pools.endPool(place, pool);
    const numbers = lines().map((line) => Number(/^\d+ (\d+)$/.exec(line)?.[1] ?? NaN));
    expect(numbers.filter(Number.isNaN).length).toBeLessThanOrEqual(kills);
    const highest = Math.max(...numbers.filter(Number.isFinite));
    expect(highest - numbers.length).toBeLessThanOrEqual(kills);
  });

  test('that ends at once is started again with delays, told of while these grow, and holds up no stop', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--output', '|false'], ['say=line', 'serve']);
    const [first, second] = await pools.waitForEvents(place, 'log-program-ended', 2);
    expect(first).toMatchObject({ severity: 'warning', end: { kind: 'exited', status: 1 }, delayMs: 100 });
    expect(second).toMatchObject({ delayMs: 200 });
    const { output } = await pools.statusOf(place);
    expect(output).toMatchObject({
      target: '|false',
      program: { lastExit: 'exited with 1', waiting: 5, isFull: false },
    });
    await pools.endPool(place, pool);
    expect(pools.events(place, 'stopped')).toHaveLength(1);
  });

  test('that waits to be started again as the pool stops is run once more for what it has not read', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      ['--restart-delay', '2s', '--output', '|sh -c "[ -e go ] && exec cat >>out"'],
      ['say=line', 'serve'],
    );
    await pools.waitForEvents(place, 'log-program-ended');
    fs.writeFileSync(inPlace(place, 'go'), '');
    await pools.endPool(place, pool);
    expect(read(inPlace(place, 'out'))).toBe('line\n');
  });

  test('and workers can open /dev/stdin and /dev/stderr by name, as the user of -u', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    fs.mkdirSync(inPlace(place, 'logs'));
    fs.chownSync(inPlace(place, 'logs'), machine.NOBODY, machine.NOBODY);
    const pool = await pools.start(
      place,
      [...user, '--output', '|cat /dev/stdin >>logs/out'],
      ['report=/dev/stderr', 'serve'],
    );
    await machine.waitFor('the line', () => /^\d+ \d+\n$/.test(read(inPlace(place, 'logs/out'))));
    await pools.endPool(place, pool);
  });

  test('that reads nothing lets workers wait once its pipe is full, and nothing is lost', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(
      place,
      ['--output', '|sh -c "until [ -e go ]; do sleep 0.01; done; exec cat >>out"'],
      ['chat=0', 'serve'],
    );
    const worker = await workerOf(place);
    const talker = await machine.waitFor('the talker', () =>
      machine.sessionMembers(worker).find((pid) => pid !== worker),
    );
    await machine.waitFor(
      'the pipe to be full',
      () =>
        read(`/proc/${talker}/wchan`).includes('pipe') ||
        read(`/proc/${talker}/syscall`).startsWith('1 0x1 '),
    );
    expect((await pools.statusOf(place)).output?.program).toMatchObject({
      pid: expect.any(Number),
      isFull: true,
    });
    expect((await pools.ctl(place.stateDir, ['status', place.socket])).stdout).toContain('its pipe is full');
    expect((await pools.ctl(place.stateDir, ['ping', place.socket])).status).toBe(0);
    process.kill(talker, 'SIGKILL');
    fs.writeFileSync(inPlace(place, 'go'), '');
    await pools.endPool(place, pool);
    const lines = read(inPlace(place, 'out')).split('\n').slice(0, -1);
    expect(lines.length).toBeGreaterThan(10_000);
    expect(lines.every((line, index) => line === `${talker} ${index + 1}`)).toBe(true);
  });

  test('outlives a supervisor that is killed, and then its own end ends no worker, nor does one wait', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--output', '|cat >>out'], ['chat=1', 'serve']);
    const worker = await workerOf(place);
    const program = await wholeProgram(place);
    await pools.killSupervisor(pool);
    const before = read(inPlace(place, 'out')).length;
    await machine.waitFor('more lines', () => read(inPlace(place, 'out')).length > before);
    const [leader = 0, ...others] = program;
    for (const pid of others) process.kill(pid, 'SIGKILL');
    await machine.waitFor('its stand-in', () => machine.readStat(leader)?.comm === 'cat');
    expect(machine.sessionMembers(worker)).toHaveLength(2);
    // The next start ends the old workers, and with them what reads their pipe.
    const next = await pools.start(place, ['--output', '|cat >>out2'], ['chat=1', 'serve']);
    await machine.waitFor('its lines', () => read(inPlace(place, 'out2')).length > 0);
    await machine.waitFor(
      'the old program to end',
      () => !machine.isAlive(leader) && !machine.isAlive(worker),
    );
    await pools.endPool(place, next);
  });

  test('in a chroot with a shell and nothing else ends no worker either, with and without a supervisor', async (ctx) => {
    machine.needRoot(ctx);
    const made = pools.makePlace();
    const root = makeRoot(made);
    const place = { ...made, socket: join(root, 'app.sock') };
    const pool = await pools.start(
      place,
      ['-c', root, '--output', '|sh -c "while read -r line; do :; done"'],
      ['chat=1', 'serve'],
      { address: ['-s', '/app.sock'] },
    );
    const worker = (await pools.statusOf(place)).workers[0]?.pid ?? 0;
    const [first = 0, ...others] = await wholeProgram(place);
    for (const pid of others) process.kill(pid, 'SIGKILL');
    await pools.waitForEvents(place, 'log-program-ended');
    expect(machine.isAlive(first)).toBe(false);
    const [leader = 0, ...rest] = await wholeProgram(place);
    await pools.killSupervisor(pool);
    // Without /proc a dead one that nobody has waited for yet looks alive.
    await machine.waitFor('its parent to wait for it', () => !fs.existsSync(`/proc/${pool.pid}`));
    for (const pid of rest) process.kill(pid, 'SIGKILL');
    const readBytes = (): number => Number(/^rchar: (\d+)$/m.exec(read(`/proc/${leader}/io`))?.[1]);
    const before = readBytes();
    await machine.waitFor('the stand-in to read', () => readBytes() > before + 100);
    expect(machine.sessionMembers(worker)).toHaveLength(2);
    await pools.ctl(place.stateDir, ['stop', place.socket]);
    await pools.expectNoProcess(place);
  });

  test('of a pool that is taken over has what the old workers print, and the new one waits for its lock', async (ctx) => {
    machine.needCommands(ctx, 'multilog');
    const place = pools.makePlace();
    const how = ['--output', '|multilog ./logs'];
    const logged = (): string => read(inPlace(place, 'logs/current'));
    const first = await pools.start(place, how, ['say=old', 'serve']);
    await machine.waitFor('the line', () => logged() === 'old\n');
    const second = await pools.start(place, ['--replace', ...how], ['say=new', 'serve']);
    await machine.waitFor('the new line', () => logged() === 'old\nnew\n');
    await machine.waitFor('the old supervisor to end', () => !machine.isAlive(first.pid));
    expect((await pools.ctl(place.stateDir, ['reload', place.socket])).status).toBe(0);
    await machine.waitFor('one more of trial and worker', () => logged() === `old\n${'new\n'.repeat(3)}`);
    await pools.endPool(place, second);
  });

  test('in the foreground prints where the supervisor does', async () => {
    const place = pools.makePlace();
    const pool = pools.startStaying(place, ['--output', '|sed -u s/^/app:/'], ['say=line', 'serve']);
    await machine.waitFor('the line', () => pool.stdout().includes('app:line\n'));
    process.kill(pool.pid, 'SIGTERM');
    expect(await pool.ended).toMatchObject({ status: 0 });
  });

  test.for([
    ['|no-such-program -x', "--output '|no-such-program -x': there is no program 'no-such-program'"],
    ['|/no/such', "--output '|/no/such': there is no program '/no/such'"],
    ['| ', "invalid value for --output: '| '"],
  ] as const)('that is not there refuses the start: %s', async ([value, message]) => {
    const place = pools.makePlace();
    const failed = await pools.run(place, ['--output', value]);
    expect(failed.status).toBe(255);
    expect(pools.withoutHints(failed.stderr)).toBe(`spawn-fcgi: ${message}`);
  });

  test('without a shell in the chroot refuses the start', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    fs.mkdirSync(inPlace(place, 'root'));
    const failed = await pools.run(place, ['-c', inPlace(place, 'root'), '--output', '|cat'], ['serve'], {
      address: ['-s', '/app.sock'],
    });
    expect(failed.status).toBe(255);
    expect(pools.withoutHints(failed.stderr)).toBe(
      'spawn-fcgi: the log program cannot be started: No such file or directory',
    );
    expect(fs.readdirSync(inPlace(place, 'root'))).toEqual([]);
    await pools.expectNoProcess(place);
  });
});
