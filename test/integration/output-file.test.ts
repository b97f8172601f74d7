// --output: where descriptors 1 and 2 of the workers lead, and what becomes of a file when it is rotated, cannot be
// opened, or its pool is replaced.
import * as fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compileC, fixture } from '../helpers/build/index.ts';
import * as machine from '../helpers/machine/index.ts';
import * as pools from '../helpers/pool/index.ts';

const user = ['-u', 'nobody', '-g', 'nogroup'];
const says = ['say=one', 'complain=two', 'serve'];

const inPlace = ({ dir }: pools.Place, name: string): string => join(dir, name);
const read = (place: pools.Place, name: string): string => fs.readFileSync(inPlace(place, name), 'utf8');
const readsLike = (place: pools.Place, name: string, text: string): Promise<unknown> =>
  machine.waitFor(
    `${name} to read ${JSON.stringify(text)}`,
    () => fs.existsSync(inPlace(place, name)) && read(place, name) === text,
  );

/** Where descriptors 1 and 2 of a process lead, and whether there are others. */
function outputsOf(pid: number): string[] {
  const files = machine.readOpenFiles(pid);
  expect(files.filter(({ fd }) => fd > 2)).toEqual([]);
  return files.filter(({ fd }) => fd > 0).map(({ target }) => target);
}

describe('a file', () => {
  test('of each slot, made for the user of -u, who has nothing else of it', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    fs.mkdirSync(inPlace(place, 'logs'), { mode: 0o755 });
    const pool = await pools.start(place, [...user, '-F', '2', '--output', 'logs/out-%i.log'], says);
    for (const slot of [0, 1]) await readsLike(place, `logs/out-${slot}.log`, 'one\ntwo\n');
    const { mode, uid } = fs.statSync(inPlace(place, 'logs/out-1.log'));
    expect([mode & 0o777, uid]).toEqual([0o640, machine.NOBODY]);
    const paths = (await pools.fullPool(pool, 2)).map((pid) => outputsOf(pid).map((path) => path.slice(-9)));
    expect(paths).toEqual([
      ['out-0.log', 'out-0.log'],
      ['out-1.log', 'out-1.log'],
    ]);
    // In a directory of root's nobody cannot make another.
    await pools.ctl(place.stateDir, ['scale', place.socket, '3']);
    const [warning] = await pools.waitForEvents(place, 'warning');
    expect(warning?.message).toBe(
      "opening output file 'logs/out-2.log' failed: Permission denied; what worker 2 prints goes to the file of worker 0",
    );
    await readsLike(place, 'logs/out-0.log', 'one\ntwo\none\ntwo\n');
    fs.writeFileSync(inPlace(place, 'logs/out-2.log'), '');
    fs.chownSync(inPlace(place, 'logs/out-2.log'), machine.NOBODY, machine.NOBODY);
    await pools.ctl(place.stateDir, ['reload', place.socket]);
    await readsLike(place, 'logs/out-2.log', 'one\ntwo\n');
    expect(pools.events(place, 'warning')).toHaveLength(1);
    await pools.endPool(place, pool);
  });

  test('that is also that of --log goes with a start that fails', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    for (const rights of [[], user])
      for (const output of ['both0', 'both%i']) {
        const failed = await pools.run(
          place,
          [...rights, '-F', '2', '--log', 'both0', '--output', output],
          ['exit=3'],
        );
        expect(failed.status).toBe(3);
        expect(fs.readdirSync(place.dir).filter((name) => name.startsWith('both'))).toEqual([]);
      }
  });

  test('for all, to which they append, also behind what is there', async () => {
    const place = pools.makePlace();
    fs.writeFileSync(inPlace(place, 'out'), 'before\n');
    const pool = await pools.start(place, ['-F', '3', '--output', 'out'], ['say=line', 'serve']);
    await readsLike(place, 'out', `before\n${'line\n'.repeat(3)}`);
    await pools.endPool(place, pool);
    expect(read(place, 'out')).toBe(`before\n${'line\n'.repeat(3)}`);
  });

  test('may be that of --log as well', async () => {
    const place = pools.makePlace();
    const args = ['-s', place.socket, '--state-dir', place.stateDir, '--log', 'x', '--output', './x'];
    const pool = await pools.startPool([...args, '--', place.app, 'say=out', 'serve'], { cwd: place.dir });
    await machine.waitFor(
      'both',
      () => /^out$/m.test(read(place, 'x')) && /pool up on/.test(read(place, 'x')),
    );
    await pools.endPool(place, pool);
  });

  test.for([
    ['a symbolic link', (path: string) => fs.symlinkSync('/etc/passwd', path), 'it is a symbolic link'],
    [
      'with another name',
      (path: string) => (fs.writeFileSync(`${path}1`, ''), fs.linkSync(`${path}1`, path)),
      'it has other names (hard links)',
    ],
    ['a directory', (path: string) => fs.mkdirSync(path), 'Is a directory'],
    ['below nothing', () => undefined, 'No such file or directory'],
  ] as const)('%s refuses the start', async ([what, make, reason]) => {
    const place = pools.makePlace();
    const name = what === 'below nothing' ? 'none/out' : 'out';
    make(inPlace(place, name));
    const failed = await pools.run(place, ['--output', name]);
    expect(failed).toMatchObject({ status: 255, stdout: '' });
    expect(pools.withoutHints(failed.stderr)).toBe(
      `spawn-fcgi: opening output file '${name}' failed: ${reason}`,
    );
    await pools.expectNothingLeft(place);
  });

  test('that is full, or whose directory is removed, ends and holds up nobody', async () => {
    const place = pools.makePlace();
    fs.writeFileSync(place.app, '#!/bin/sh\necho x || : > refused\nexec ./serve serve\n');
    fs.copyFileSync(compileC(fixture('scripted-worker.c')), inPlace(place, 'serve'));
    const full = await pools.start(place, ['--output', '/dev/full'], []);
    await machine.waitFor('the worker to go on', () => fs.existsSync(inPlace(place, 'refused')));
    await pools.onlyWorker(full);
    await pools.endPool(place, full);
    fs.mkdirSync(inPlace(place, 'logs'));
    const pool = await pools.start(place, ['--output', 'logs/out'], []);
    const worker = await pools.onlyWorker(pool);
    fs.rmSync(inPlace(place, 'logs'), { recursive: true });
    expect((await pools.ctl(place.stateDir, ['reload', place.socket])).status).toBe(0);
    expect(outputsOf(await pools.onlyWorker(pool, [worker]))[0]).toContain('(deleted)');
    expect(pools.events(place, 'warning').map(({ message }) => message)).toEqual([
      "opening output file 'logs/out' failed: No such file or directory; the old file stays in use",
    ]);
    await pools.endPool(place, pool);
  });
});

describe('rotation', () => {
  test.for([
    ['reload', (place: pools.Place) => pools.ctl(place.stateDir, ['reload', place.socket]), 2],
    ['restart', (place: pools.Place) => pools.ctl(place.stateDir, ['restart', place.socket]), 2],
    ['USR1', async (_place: pools.Place, pid: number) => void process.kill(pid, 'SIGUSR1'), 0],
  ] as const)('by %s: workers started from then on have the new file', async ([, rotate, count]) => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '2', '--output', 'out'], ['say=line', 'serve']);
    const [worker = 0] = await pools.fullPool(pool, 2);
    fs.renameSync(inPlace(place, 'out'), inPlace(place, 'out.1'));
    await rotate(place, pool.pid);
    await machine.waitFor('the new file', () => fs.existsSync(inPlace(place, 'out')));
    await machine.waitFor('its lines', () => read(place, 'out').split('line\n').length - 1 >= count);
    if (count === 0) process.kill(worker, 'SIGKILL');
    await machine.waitFor('a line', () => read(place, 'out').includes('line'));
    const before = read(place, 'out.1');
    fs.appendFileSync(inPlace(place, 'out.1'), 'end\n');
    await pools.fullPool(pool, 2, [worker]);
    expect(read(place, 'out.1')).toBe(`${before}end\n`);
    await pools.endPool(place, pool);
  });

  test('by logrotate, with create and reload, and with copytruncate', async (ctx) => {
    machine.needCommands(ctx, 'logrotate');
    const place = pools.makePlace();
    // It refuses directories that others may write.
    fs.chmodSync(place.dir, 0o755);
    const pool = await pools.start(place, ['--output', 'out'], ['say=line', 'serve']);
    const worker = await pools.onlyWorker(pool);
    const rotate = (...how: string[]): ReturnType<typeof machine.runCommand> => {
      const body = ['rotate 3', 'nocompress', ...how].join('\n');
      fs.writeFileSync(inPlace(place, 'conf'), `${inPlace(place, 'out')} {\n${body}\n}\n`, { mode: 0o644 });
      return machine.runCommand('logrotate', ['-f', '-s', inPlace(place, 'status'), inPlace(place, 'conf')]);
    };
    const reload = `${join(pools.oursPath, '../spawn-fcgictl')} --state-dir ${place.stateDir} reload ${place.socket}`;
    const created = await rotate('create 0640', 'postrotate', reload, 'endscript');
    expect(created).toMatchObject({ status: 0 });
    const next = await pools.onlyWorker(pool, [worker]);
    expect(outputsOf(next)).toEqual([inPlace(place, 'out'), inPlace(place, 'out')]);
    expect(read(place, 'out.1')).toMatch(/^line\n/);
    expect(await rotate('copytruncate')).toMatchObject({ status: 0 });
    expect(read(place, 'out')).toBe('');
    // Behind what is there, not behind where it was.
    process.kill(next, 'SIGKILL');
    await readsLike(place, 'out', 'line\n');
    await pools.endPool(place, pool);
  });

  test('reaches a file outside the chroot from inside it', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    const root = inPlace(place, 'root');
    fs.mkdirSync(join(root, 'run'), { recursive: true });
    fs.mkdirSync(inPlace(place, 'logs'));
    fs.chownSync(inPlace(place, 'logs'), machine.NOBODY, machine.NOBODY);
    fs.copyFileSync(compileC(fixture('scripted-worker.c'), { static: true }), join(root, 'app'));
    const own = [
      '--state-dir',
      place.stateDir,
      '--log',
      place.log,
      '--log-format',
      'json',
      '-c',
      root,
      ...user,
    ];
    const args = ['-s', '/run/app.sock', ...own, '--output', 'logs/out', '--', '/app', 'say=line', 'serve'];
    const pool = await pools.startPool(args, { cwd: place.dir });
    await readsLike(place, 'logs/out', 'line\n');
    fs.renameSync(inPlace(place, 'logs/out'), inPlace(place, 'logs/out.1'));
    process.kill(pool.pid, 'SIGUSR1');
    await pools.waitForEvents(place, 'logs-reopened');
    process.kill(await pools.onlyWorker(pool), 'SIGKILL');
    await readsLike(place, 'logs/out', 'line\n');
    expect(fs.existsSync(join(root, 'logs'))).toBe(false);
    await pools.endPool(place, pool);
  });
});

describe('another supervisor', () => {
  test('takes the pool over with another HOW', async () => {
    const place = pools.makePlace();
    await pools.start(place, ['--output', 'one'], ['say=first', 'serve']);
    const second = await pools.start(place, ['--replace', '--output', 'two'], ['say=second', 'serve']);
    await readsLike(place, 'two', 'second\n');
    const third = await pools.start(place, ['--replace']);
    await machine.waitFor('the second to end', () => !machine.isAlive(second.pid));
    expect(outputsOf(await pools.onlyWorker(third))).toEqual(['/dev/null', '/dev/null']);
    expect(read(place, 'one')).toBe('first\n');
    await pools.endPool(place, third);
  });

  test('that was killed takes no worker with it, and the next one appends', async () => {
    const place = pools.makePlace();
    const writes = 'while :; do echo $$; sleep 0.02; done & exec ./serve serve';
    fs.writeFileSync(place.app, `#!/bin/sh\n${writes}\n`);
    fs.copyFileSync(compileC(fixture('scripted-worker.c')), inPlace(place, 'serve'));
    const first = await pools.start(place, ['--output', 'out'], []);
    const worker = await pools.onlyWorker(first);
    await pools.killSupervisor(first);
    const seen = read(place, 'out').length;
    await machine.waitFor('more lines', () => read(place, 'out').length > seen);
    const second = await pools.start(place, ['--output', 'out'], []);
    const next = await pools.onlyWorker(second);
    await machine.waitFor('its lines', () => read(place, 'out').includes(`${next}\n`));
    expect(
      read(place, 'out')
        .trim()
        .split('\n')
        .every((line) => [worker, next].includes(Number(line))),
    ).toBe(true);
    await pools.endPool(place, second);
  });
});

describe('streams of the command', () => {
  const where = async (place: pools.Place, options: readonly string[]): Promise<string[]> => {
    const script = 'exec "$@" >out 2>err';
    const args = pools.commandLine(place, options);
    const command = pools.startForeground(['-c', script, 'sh', pools.oursPath, ...args], {
      command: '/bin/sh',
      cwd: place.dir,
    });
    await machine.waitFor(
      'the pool',
      () => fs.existsSync(inPlace(place, 'out')) && read(place, 'out').includes('successfully'),
    );
    const pid = Number(/PID: (\d+)/.exec(read(place, 'out'))?.[1]);
    const outputs = outputsOf(await pools.onlyWorker({ pid }));
    process.kill(pid, 'SIGTERM');
    await command.ended;
    return outputs.map((path) => path.replace(`${place.dir}/`, ''));
  };

  test.for([
    [[], ['/dev/null', '/dev/null']],
    [['-n'], ['out', 'err']],
    [
      ['--output', 'inherit'],
      ['out', 'err'],
    ],
    [
      ['--output', '-'],
      ['out', 'out'],
    ],
    [
      ['--output', '/dev/stderr'],
      ['err', 'err'],
    ],
    [
      ['-n', '--output', '/dev/stderr'],
      ['err', 'err'],
    ],
    [
      ['-n', '--output', 'null'],
      ['/dev/null', '/dev/null'],
    ],
  ] as const)('with %j lead to %j', async ([options, outputs]) => {
    const place = pools.makePlace();
    expect(await where(place, options)).toEqual(outputs);
    await pools.expectNothingLeft(place);
  });

  test('one descriptor can serve --log and --output', async () => {
    const place = pools.makePlace();
    const own = [
      '-s',
      place.socket,
      '--state-dir',
      place.stateDir,
      '--log',
      '/dev/fd/9',
      '--output',
      '/dev/fd/9',
    ];
    const args = [
      '-c',
      'exec "$@" 9>both',
      'sh',
      pools.oursPath,
      ...own,
      '--',
      place.app,
      'say=line',
      'serve',
    ];
    const { stdout } = await machine.runCommand('/bin/sh', args, { cwd: place.dir });
    await machine.waitFor(
      'both',
      () => read(place, 'both').includes('line\n') && read(place, 'both').includes('pool up'),
    );
    await pools.endPool(place, { pid: Number(/PID: (\d+)/.exec(stdout)?.[1]) });
  });
});

describe('last words', () => {
  test('of a start are read from the file, which stays; an empty one goes', async () => {
    const place = pools.makePlace();
    fs.writeFileSync(inPlace(place, 'out'), 'of yesterday\n');
    const options = ['--ready', 'notify', '--output', 'out'];
    const failed = await pools.run(place, options, ['say=no module', 'complain=in line 7', 'exit=3']);
    expect(failed.status).toBe(3);
    const hints = pools.hintsOf(failed.stderr).filter((hint) => !hint.startsWith('/dev/log'));
    expect(hints).toEqual(['the program said:', '  no module', '  in line 7']);
    expect(read(place, 'out')).toBe('of yesterday\nno module\nin line 7\n');
    const silent = await pools.run(place, ['--ready', 'notify', '--output', 'empty'], ['exit=3']);
    expect(silent.status).toBe(3);
    expect(fs.existsSync(inPlace(place, 'empty'))).toBe(false);
    await pools.expectNothingLeft(place);
  });

  test('that the user of -u may not read say where they are', async (ctx) => {
    machine.needRoot(ctx);
    const place = pools.makePlace();
    fs.mkdirSync(inPlace(place, 'closed'), { mode: 0o700 });
    const options = [...user, '--ready', 'notify', '--output', 'closed/out'];
    const failed = await pools.run(place, options, ['say=why', 'exit=3']);
    expect(pools.hintsOf(failed.stderr)).toContain('the program said: (see closed/out)');
    expect(read(place, 'closed/out')).toBe('why\n');
    await pools.run(place, [...options.slice(0, -1), 'closed/empty'], ['exit=3']);
    expect(fs.readdirSync(inPlace(place, 'closed'))).toEqual(['out']);
  });

  test.for([[], ['-n']])('of a reload and a takeover are read from the file, with %j', async (model) => {
    const place = pools.makePlace();
    const options = ['--output', 'out'];
    const actions = [
      'say=fine',
      `when=${inPlace(place, 'bad')}`,
      'say=broken',
      `when=${inPlace(place, 'bad')}`,
      'exit=3',
      'serve',
    ];
    const pool =
      model.length > 0
        ? pools.startStaying(place, options, actions)
        : await pools.start(place, options, actions);
    await pools.waitForEvents(place, 'pool-up');
    fs.writeFileSync(inPlace(place, 'bad'), '');
    const reload = await pools.ctl(place.stateDir, ['reload', place.socket]);
    expect(reload.status).toBe(1);
    expect((await pools.waitForEvents(place, 'reload-finished'))[0]?.words).toEqual(['fine', 'broken']);
    expect((await pools.statusOf(place)).lastReload?.words).toEqual(['fine', 'broken']);
    const replace = await pools.run(
      place,
      ['--replace', '--ready', 'notify', '--output', 'other'],
      ['say=worse', 'exit=3'],
    );
    expect(pools.hintsOf(replace.stderr)).toContain('the program said: worse');
    process.kill(pool.pid, 'SIGTERM');
    await pools.waitForEvents(place, 'stopped');
  });

  test('that nobody asked to keep are missed once, with the option', async () => {
    const place = pools.makePlace();
    const pool = await pools.start(place, ['-F', '2', '--min-uptime', '1ms']);
    for (let count = 1; count <= 2; count++) {
      const [worker = 0] = await pools.fullPool(pool, 2);
      process.kill(worker, 'SIGSEGV');
      await pools.waitForEvents(place, 'worker-ended', count);
    }
    expect(pools.events(place, 'output-discarded')).toMatchObject([{ slot: 0, severity: 'notice' }]);
    await pools.endPool(place, pool);
    const kept = await pools.start(place, ['--output', 'null', '--min-uptime', '1ms']);
    process.kill(await pools.onlyWorker(kept), 'SIGSEGV');
    await pools.waitForEvents(place, 'worker-ended', 3);
    await pools.endPool(place, kept);
    expect(pools.events(place, 'output-discarded')).toHaveLength(1);
  });
});
