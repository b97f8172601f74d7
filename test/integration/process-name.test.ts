// The supervisor's names are those that its program has: scripts look for the program and compare what they find. The
// program's own process is the measure.
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readProcess, readStat, needCommands, runCommand } from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

/** /proc/PID/cmdline as bytes, without what fills it up. */
function commandLineOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replace(/\0+$/, '');
}

function firstWordOf(pid: number): string {
  return commandLineOf(pid).split('\0')[0] ?? '';
}

async function expectProgramsNames(place: pools.Place, pool: { pid: number }): Promise<void> {
  const worker = await pools.onlyWorker(pool);
  expect(firstWordOf(pool.pid)).toBe(firstWordOf(worker));
  expect(readStat(pool.pid)?.comm).toBe(readStat(worker)?.comm);
  await pools.endPool(place, pool);
  await pools.expectNothingLeft(place);
}

/** A program in as many directories as it takes to have a path of that many bytes. */
function copyToDeepPath({ app, dir }: pools.Place, bytes: number): string {
  const rest = bytes - dir.length - '/app'.length;
  const deep = join(dir, ...Array.from({ length: Math.ceil(rest / 200) }, () => 'd'.repeat(199)));
  mkdirSync(deep, { recursive: true });
  copyFileSync(app, join(deep, 'app'));
  return join(deep, 'app');
}

const written: [string, (place: pools.Place) => string][] = [
  ['an absolute path', ({ app }) => app],
  ['a path in the working directory', () => './app'],
  ['a name alone', () => 'app'],
  [
    'a link, which stays one',
    ({ dir, app }) => {
      symlinkSync(app, join(dir, 'linked'));
      return join(dir, 'linked');
    },
  ],
  ['a path of more bytes than Node and its flags have', (place) => copyToDeepPath(place, 1000)],
];

describe('the first word of the command line, and the process name of a supervisor are those of its worker', () => {
  test.for(written)('for %s', async ([, write]) => {
    const place = pools.makePlace();
    await expectProgramsNames(place, await pools.start({ ...place, app: write(place) }));
  });

  test.for(written)('for %s in the foreground', async ([, write]) => {
    const place = pools.makePlace();
    const pool = pools.startStaying({ ...place, app: write(place) }, ['--supervise']);
    await pools.waitForEvents(place, 'pool-up');
    await expectProgramsNames(place, pool);
  });

  test.for([
    ['as it is', '%s serve'],
    ['in quotes', '"%s" serve'],
    ['in single quotes, behind a redirection', "</dev/null  '%s' serve"],
  ] as const)("for -f's first word %s", async ([, command]) => {
    const place = pools.makePlace();
    const args = ['-s', place.socket, '--state-dir', place.stateDir, '-f', command.replace('%s', place.app)];
    const { stdout } = await runCommand(pools.oursPath, args, { cwd: place.dir });
    await expectProgramsNames(place, { pid: pools.printedPids(stdout)[0] ?? 0 });
  });

  test.for([
    ['a program', '-- "$program" serve'],
    ["-f's program", '-f "$program serve"'],
  ])('for %s that is not UTF-8', async ([, words]) => {
    const place = pools.makePlace();
    const script = `program=$(printf '%s/p\\351p' "$2"); cp "$3" "$program"
      exec "$1" -s "$4" --state-dir "$5" -P "$6" ${words}`;
    const args = [
      '-c',
      script,
      'sh',
      pools.oursPath,
      place.dir,
      place.app,
      place.socket,
      place.stateDir,
      place.pidFile,
    ];
    expect((await runCommand('/bin/sh', args, { cwd: place.dir })).status).toBe(0);
    await expectProgramsNames(place, { pid: Number(readFileSync(place.pidFile, 'utf8')) });
  });
});

describe('--name', () => {
  test.for([
    ['a name', 'boss', 'boss'],
    ['a name of more than 15 bytes', 'a-name-of-more-than-fifteen', 'a-name-of-more-'],
    ['a path, which a wrapper is to be taken for', '/usr/bin/php-cgi', 'php-cgi'],
  ] as const)('chooses both: %s', async ([, name, comm]) => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['--name', name]);
    expect(firstWordOf(pool.pid)).toBe(name);
    expect(readStat(pool.pid)?.comm).toBe(comm);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });
});

describe('behind the first word', () => {
  test('ps shows what it is, and its command line', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place);
    const [, ...words] = readProcess(pool.pid)?.args ?? [];
    expect(words.slice(0, 3)).toEqual(['spawn-fcgi', '-s', place.socket]);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('a long path of the program leaves room for its arguments, what it is, and the address', async () => {
    const place = pools.makePlace();
    const app = copyToDeepPath(place, 1000);
    const pool = await pools.start({ ...place, app }, ['-F', '1'], ['serve']);
    const words = commandLineOf(pool.pid).split('\0');
    expect(words.slice(0, 6)).toEqual([
      app,
      `report=${place.report}`,
      'serve',
      'spawn-fcgi',
      '-s',
      place.socket,
    ]);
    await pools.endPool(place, pool);
    await pools.expectNothingLeft(place);
  });

  test('pkill -f finds a pool by a long path of -f and its argument, and stops it', async (ctx) => {
    needCommands(ctx, 'pkill');
    const place = pools.makePlace();
    const app = copyToDeepPath(place, 400);
    const args = ['-s', place.socket, '--state-dir', place.stateDir, '-f', `${app} serve`];
    const { stdout } = await runCommand(pools.oursPath, args, { cwd: place.dir });
    const [pid = 0] = pools.printedPids(stdout);
    await pools.onlyWorker({ pid });
    expect(commandLineOf(pid).startsWith(`${app}\0serve\0spawn-fcgi\0-s\0`)).toBe(true);
    const { status } = await runCommand('pkill', ['-f', `${relative('/', dirname(app))}/app serve`]);
    expect(status).toBe(0);
    await pools.expectNothingLeft(place);
  });
});
